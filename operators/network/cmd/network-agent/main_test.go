package main

import (
	"flag"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	for name, test := range map[string]struct {
		arguments string
		want      string // part of the error
	}{
		"the defaults":                      {"", ""},
		"egress with the management's":      {"--egress-allow=0.0.0.0/0 --management-cidrs=172.29.0.0/16,172.31.0.0/16", ""},
		"egress without the management's":   {"--egress-allow=192.0.2.0/24", "--egress-allow needs --management-cidrs"},
		"no connections":                    {"--tenant-connections=0", "--tenant-connections 0 is not between 1 and 4294967295"},
		"no new connections":                {"--tenant-connections-per-second=0", "--tenant-connections-per-second 0 is not between"},
		"more connections than can be":      {"--tenant-connections=4294967296", "--tenant-connections 4294967296 is not between"},
		"a range for uplinks that is short": {"--uplink-cidr=100.64.0.0/11", "at least a /10"},
	} {
		t.Run(name, func(t *testing.T) {
			flags := flag.NewFlagSet("network-agent", flag.ContinueOnError)
			var s settings
			s.bind(flags)
			if err := flags.Parse(strings.Fields("--node-name=a --vtep=192.0.2.1 " + test.arguments)); err != nil {
				t.Fatal(err)
			}
			err := s.validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
