package bootstrap_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/guest/cloudinit"
	"slipway.dev/guest/contract"
	"slipway.dev/operators/kvm/bootstrap"
)

func TestInvalidSpec(t *testing.T) {
	label := func(key, value string) func(*bootstrap.Input) {
		return func(in *bootstrap.Input) {
			in.Spec.Labels = map[string]v1alpha1.NodeLabelValue{key: v1alpha1.NodeLabelValue(value)}
		}
	}
	taint := func(key, value, effect string) func(*bootstrap.Input) {
		return func(in *bootstrap.Input) {
			in.Spec.Taints = []v1alpha1.NodeTaint{{Key: key, Value: v1alpha1.NodeLabelValue(value), Effect: corev1.TaintEffect(effect)}}
		}
	}
	host := func(host string) func(*bootstrap.Input) {
		return func(in *bootstrap.Input) { in.Registries[0].Host = host }
	}
	reserved := func(cpu, memory string) func(*bootstrap.Input) {
		return func(in *bootstrap.Input) {
			in.Spec.Kubelet = &v1alpha1.KubeletSettings{Reserved: v1alpha1.KubeletReserved{CPU: cpu, Memory: memory}}
		}
	}
	const (
		wantKey    = "is not the key of a label; use for example example.com/disk"
		wantDomain = "use a domain of your own, for example example.com/role"
		wantValue  = "is not a value; use at most 63 letters"
		wantTaint  = "is not the key of a taint; use for example example.com/dedicated"
		wantEffect = "is not an effect; use one of [NoSchedule PreferNoSchedule NoExecute]"
		wantHost   = "use the name as in an image reference, for example registry.example.com:5000"
		wantName   = "cannot be that of a Node"
	)
	for name, test := range map[string]struct {
		change func(*bootstrap.Input)
		want   string
	}{
		"all cores are reserved":         {reserved("2", ""), "cpu 2 leaves pods nothing of the worker's 2; use for example 100m"},
		"all memory is reserved":         {reserved("", "2Gi"), "memory 2Gi leaves pods nothing of the worker's 2Gi; use for example 500Mi"},
		"no quantity is reserved":        {reserved("much", ""), `cpu "much" is no quantity; use for example 100m`},
		"key with a flag":                {label("a --anonymous-auth=true b", ""), wantKey},
		"key that begins a flag":         {label("--anonymous-auth", "true"), wantKey},
		"key with a line":                {label("a\nKUBELET_ARGS=--v=9", ""), wantKey},
		"key with another label":         {label("a=b,node-role.kubernetes.io/master", ""), wantKey},
		"key with a quote":               {label(`a"`, ""), wantKey},
		"key with a variable":            {label("$HOME", ""), wantKey},
		"key with a backslash":           {label(`a\ b`, ""), wantKey},
		"no key":                         {label("", "x"), wantKey},
		"key that ends with a line":      {label("a\n", ""), wantKey},
		"value with a flag":              {label("a", "x --v=9"), wantValue},
		"value with a tab":               {label("a", "x\t--v=9"), wantValue},
		"value with another label":       {label("a", "x,b=c"), wantValue},
		"value with a quote":             {label("a", "'"), wantValue},
		"value that ends with a line":    {label("a", "x\n"), wantValue},
		"Kubernetes' own label":          {label("node-role.kubernetes.io/control-plane", ""), wantDomain},
		"Kubernetes' own short label":    {label("k8s.io/x", ""), wantDomain},
		"Slipway's own label":            {label("slipway.dev/pool", "b"), wantDomain},
		"label below Slipway's":          {label("x.slipway.dev/pool", "b"), wantDomain},
		"taint's key":                    {taint("a --v=9", "", "NoSchedule"), wantTaint},
		"taint's key with an effect":     {taint("a=b:NoExecute", "", "NoSchedule"), wantTaint},
		"taint's value":                  {taint("a", "x\ny: z", "NoSchedule"), wantValue},
		"taint's effect":                 {taint("a", "", "NoSchedule,b=c:NoExecute"), wantEffect},
		"registry elsewhere":             {host("../../kubernetes"), wantHost},
		"registry's parent":              {host(".."), wantHost},
		"registry with a path":           {host("registry.example.com/x"), wantHost},
		"no registry":                    {host(""), wantHost},
		"registry that ends with a line": {host("docker.io\n"), wantHost},
		"machine's name":                 {func(in *bootstrap.Input) { in.Name = "a --v=9" }, wantName},
		"pool's name":                    {func(in *bootstrap.Input) { in.Pool = "a --v=9" }, wantName},
	} {
		t.Run(name, func(t *testing.T) {
			in := input()
			test.change(&in)
			_, err := bootstrap.Build(in)
			if !errors.Is(err, bootstrap.ErrInvalidSpec) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestInvalidSpecIsQuotedInPart(t *testing.T) {
	in := input()
	in.Spec.Labels = map[string]v1alpha1.NodeLabelValue{strings.Repeat("x", 10_000): ""}
	if _, err := bootstrap.Build(in); err == nil || len(err.Error()) > 300 {
		t.Errorf("got %.400v", err)
	}
}

// FuzzSpec: what is written as a label or a taint is exactly that for whoever
// reads it in the guest, or is refused.
func FuzzSpec(f *testing.F) {
	f.Add("example.com/disk", "fast", "example.com/dedicated", "db")
	f.Add("a", "", "a", "")
	f.Add("a --v=9", "", "a", "")
	f.Add("a", "x --v=9", "a", "\n- b")
	f.Add(`a"b`, `c'`, "a: b", "{}")
	f.Add("a,b", "c=d", "~", "null")
	f.Fuzz(func(t *testing.T, label, value, taint, taintValue string) {
		in := input()
		in.Spec.Labels = map[string]v1alpha1.NodeLabelValue{label: v1alpha1.NodeLabelValue(value)}
		in.Spec.Taints = []v1alpha1.NodeTaint{{Key: taint, Value: v1alpha1.NodeLabelValue(taintValue), Effect: corev1.TaintEffectNoExecute}}
		if _, err := bootstrap.Build(in); err != nil {
			if !errors.Is(err, bootstrap.ErrInvalidSpec) {
				t.Errorf("%v", err)
			}
			return
		}
		files := guestFiles(t, in)
		wantLabels := map[string]string{label: value, "slipway.dev/pool": "a"}
		if diff := cmp.Diff(wantLabels, nodeLabels(t, files[contract.KubeletEnv].Content)); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		config := kubeletv1beta1.KubeletConfiguration{}
		if err := yaml.UnmarshalStrict(files[contract.KubeletConfig].Content, &config); err != nil {
			t.Fatal(err)
		}
		wantTaints := []corev1.Taint{{Key: taint, Value: taintValue, Effect: corev1.TaintEffectNoExecute}}
		if diff := cmp.Diff(wantTaints, config.RegisterWithTaints); diff != "" {
			t.Errorf("taints (-want +got):\n%s", diff)
		}
	})
}

// nodeLabels reads the kubelet's flags, of which there are three.
func nodeLabels(t *testing.T, environment []byte) map[string]string {
	t.Helper()
	variables, err := cloudinit.ParseEnvironment(environment)
	if err != nil {
		t.Fatal(err)
	}
	args, err := cloudinit.SplitArguments(variables["KUBELET_ARGS"])
	if err != nil || len(variables) != 1 || len(args) != 3 {
		t.Fatalf("variables %q, arguments %q, %v", variables, args, err)
	}
	text, found := strings.CutPrefix(args[2], "--node-labels=")
	if !found {
		t.Fatalf("arguments %q", args)
	}
	labels := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(pair, "=")
		labels[key] = value
	}
	return labels
}
