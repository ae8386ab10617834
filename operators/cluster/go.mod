module slipway.dev/operators/cluster

go 1.26.0
