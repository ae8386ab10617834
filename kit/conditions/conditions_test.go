package conditions_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"slipway.dev/kit/conditions"
)

func TestSummary(t *testing.T) {
	yes := conditions.True("A", "Fine", "")
	no := conditions.False("B", "Broken", "it is broken")
	perhaps := conditions.Unknown("C", "Silent", "it does not answer")
	for name, test := range map[string]struct {
		parts  []metav1.Condition
		status metav1.ConditionStatus
		reason string
	}{
		"nothing":              {nil, metav1.ConditionTrue, "Ready"},
		"all true":             {[]metav1.Condition{yes, yes}, metav1.ConditionTrue, "Ready"},
		"one false":            {[]metav1.Condition{yes, no}, metav1.ConditionFalse, "Broken"},
		"one unknown":          {[]metav1.Condition{yes, perhaps}, metav1.ConditionUnknown, "Silent"},
		"false after unknown":  {[]metav1.Condition{perhaps, no}, metav1.ConditionFalse, "Broken"},
		"one without a status": {[]metav1.Condition{yes, {Type: "D", Reason: "New"}}, metav1.ConditionUnknown, "New"},
	} {
		t.Run(name, func(t *testing.T) {
			got := conditions.Summary("Ready", "Ready", test.parts...)
			if got.Status != test.status || got.Reason != test.reason || got.Type != "Ready" {
				t.Errorf("%s %s of type %s, want %s %s of type Ready", got.Status, got.Reason, got.Type, test.status, test.reason)
			}
		})
	}
}

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"one":                           "one",
		"one\ntwo":                      "one",
		strings.Repeat("x", 1000):       strings.Repeat("x", 300) + "...",
		strings.Repeat("ü", 1000):       strings.Repeat("ü", 150) + "...",
		"x" + strings.Repeat("ü", 1000): "x" + strings.Repeat("ü", 149) + "...",
	} {
		if got := conditions.FirstLine(text); got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
}
