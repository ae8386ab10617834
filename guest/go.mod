module slipway.dev/guest

go 1.26
