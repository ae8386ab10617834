module slipway.dev/operators/network

go 1.26.0
