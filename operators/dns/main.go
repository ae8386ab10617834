// Command dns-operator makes the DNS records of tenants through external-dns.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	externaldns "sigs.k8s.io/external-dns/apis/v1alpha1"

	"slipway.dev/api/v1alpha1"
	"slipway.dev/kit/operator"
	"slipway.dev/operators/dns/authority"
	"slipway.dev/operators/dns/reconcilers/tenantdns"
)

type settings struct {
	operator.Options
	baseDomain          string
	authoritativeServer string
	removalTimeout      time.Duration
}

func main() {
	var s settings
	s.Bind(flag.CommandLine)
	flag.StringVar(&s.baseDomain, "base-domain", "", "domain below which all tenants' names lie, for example clusters.example.com")
	flag.StringVar(&s.authoritativeServer, "authoritative-server", "", "host:port of a server of the zone, asked whether records are there")
	flag.DurationVar(&s.removalTimeout, "removal-timeout", 2*time.Minute, "how long the deletion of a tenant waits for its records to go")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "dns-operator:", err)
		os.Exit(1)
	}
}

func (s settings) validate() error {
	if problems := validation.IsDNS1123Subdomain(s.baseDomain); len(problems) > 0 {
		return fmt.Errorf("--base-domain %q: %s", s.baseDomain, strings.Join(problems, "; "))
	}
	if _, _, err := net.SplitHostPort(s.authoritativeServer); err != nil {
		return fmt.Errorf("--authoritative-server: %w", err)
	}
	if s.removalTimeout <= 0 {
		return errors.New("--removal-timeout must be more than 0")
	}
	return nil
}

func run(s settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme, externaldns.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register types: %w", err)
		}
	}
	// external-dns leaves out the option types of its group.
	metav1.AddToGroupVersion(scheme, externaldns.GroupVersion)
	cacheOptions, err := tenantdns.CacheOptions()
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find management cluster: %w", err)
	}
	manager, err := s.NewManager(config, "dns-operator", scheme, cacheOptions)
	if err != nil {
		return err
	}
	publisher := &tenantdns.Publisher{Client: manager.GetClient(), BaseDomain: s.baseDomain}
	if err := publisher.SetupWithManager(manager); err != nil {
		return err
	}
	verifier := &tenantdns.Verifier{
		Client:         manager.GetClient(),
		Live:           manager.GetAPIReader(),
		Events:         tenantdns.Events{EventRecorder: manager.GetEventRecorder("dns-operator")},
		Server:         authority.Server{Address: s.authoritativeServer},
		BaseDomain:     s.baseDomain,
		RemovalTimeout: s.removalTimeout,
		Clock:          clock.RealClock{},
	}
	if err := verifier.SetupWithManager(manager); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
