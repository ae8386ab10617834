module slipway.dev/operators/kvm

go 1.26.0
