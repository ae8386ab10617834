package main

import (
	"testing"

	"slipway.dev/kit/testenv"
)

func TestCRDs(t *testing.T) {
	testenv.Start(t, testenv.SlipwayCRDs(2))
}
