// Package registries keeps the files by which containerd knows its registries as the tenant's API has them. What comes with
// cloud-init data is as old as the machine; passwords and certificates of registries are not.
package registries

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"

	"slipway.dev/guest/contract"
)

const (
	// retry doubles up to the maximum after each answer that was none.
	minRetry = time.Second
	maxRetry = 5 * time.Minute
	// maxAnswer in bytes is more than what a watch of one object says before the API server ends it.
	maxAnswer = 64 << 20
)

// Follower writes what the Secret contract.RegistriesSecret has.
type Follower struct {
	Kubeconfig string // path of one with files for the CA, certificate and key
	Dir        string // containerd's directory of registries
	Report     func(format string, args ...any)
}

// Run follows the Secret until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for retry := minRetry; ; {
		err := f.watch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil: // the API server ends every watch after some time
			retry = minRetry
		default:
			f.Report("registries: %v, asks again in %s", err, retry)
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return
		}
		if err != nil {
			retry = min(2*retry, maxRetry)
		}
	}
}

// watch asks once, and returns when the answer has ended.
func (f *Follower) watch(ctx context.Context) error {
	server, client, err := connect(f.Kubeconfig)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	question := server + "/api/v1/namespaces/kube-system/secrets?" + url.Values{
		"watch": {"true"}, "fieldSelector": {"metadata.name=" + contract.RegistriesSecret},
	}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, question, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the API server answers %s", answer.Status)
	}
	for events := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)); ; {
		var event struct {
			Type   string
			Object struct {
				Data    map[string][]byte
				Message string
			}
		}
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			if err := f.write(event.Object.Data[contract.RegistriesKey]); err != nil {
				f.Report("registries: %v", err)
			}
		case "ERROR":
			return errors.New(event.Object.Message)
		}
	}
}

// write makes the files that differ. Those of registries that are not named stay: another list of registries is that of
// another machine.
func (f *Follower) write(list []byte) error {
	files := map[string]string{}
	if err := json.Unmarshal(list, &files); err != nil {
		return fmt.Errorf("content of Secret %s: %w", contract.RegistriesSecret, err)
	}
	for name, content := range files {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("content of Secret %s: %q is not below %s", contract.RegistriesSecret, name, f.Dir)
		}
		changed, err := replace(filepath.Join(f.Dir, name), content)
		if err != nil {
			return err
		}
		if changed {
			f.Report("registries: %s has changed", name)
		}
	}
	return nil
}

// replace makes a file that containerd reads either as it was or whole.
func replace(path, content string) (changed bool, err error) {
	if current, err := os.ReadFile(path); err == nil && string(current) == content {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		return false, err
	}
	return true, os.Rename(path+".new", path)
}

// connect reads the kubeconfig and its files anew: the kubelet renews its certificate.
func connect(path string) (server string, client *http.Client, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     string `json:"certificate-authority"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Certificate string `json:"client-certificate"`
				Key         string `json:"client-key"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return "", nil, fmt.Errorf("%s has %d clusters and %d users, want one of each", path, len(config.Clusters), len(config.Users))
	}
	cluster, user := config.Clusters[0].Cluster, config.Users[0].User
	authority, err := os.ReadFile(cluster.CA)
	if err != nil {
		return "", nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return "", nil, fmt.Errorf("%s has no certificate", cluster.CA)
	}
	certificate, err := tls.LoadX509KeyPair(user.Certificate, user.Key)
	if err != nil {
		return "", nil, err
	}
	return cluster.Server, &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{certificate}},
		// A connection that has died is noticed by HTTP/2's own questions.
		ForceAttemptHTTP2: true,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}}, nil
}
