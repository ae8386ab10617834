module slipway.dev/operators/dns

go 1.26.0
