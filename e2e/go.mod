module slipway.dev/e2e

go 1.26.0
