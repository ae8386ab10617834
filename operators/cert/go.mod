module slipway.dev/operators/cert

go 1.26.0
