package tenantapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"
)

const (
	// watchRate and watchBurst bound what all watches of a connection may bring,
	// in bytes and per second: enough to fill the caches at once and for a busy
	// cluster, too little to keep the operator busy with one tenant.
	watchRate  = 1 << 20
	watchBurst = 16 << 20
	// answerTime is what an API server has to answer after it has given up.
	answerTime = time.Second
)

// limited bounds what a connection takes from its API server, and for how long.
func limited(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 50, 100
	watched := rate.NewLimiter(watchRate, watchBurst)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &boundedTransport{next: next, watched: watched}
	})
	return config
}

// boundedTransport is needed because the one timeout of a rest.Config would end
// watches too, and because nothing in client-go bounds the size of an answer.
type boundedTransport struct {
	next    http.RoundTripper
	watched *rate.Limiter
}

func (t *boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Has("watch") {
		return t.watch(request)
	}
	ctx, cancel := context.WithTimeout(request.Context(), callTimeout)
	return t.ask(withServerTimeout(request.Clone(ctx)), &boundedBody{cancel: cancel})
}

// watch has no end, but it has to begin in time, and an answer that is none has
// to end as any other.
func (t *boundedTransport) watch(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(request.Context())
	late := time.AfterFunc(callTimeout, cancel)
	body := &boundedBody{cancel: cancel}
	response, err := t.ask(request.Clone(ctx), body)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	late.Stop()
	body.events = true
	response.Body = &slowBody{ReadCloser: body, ctx: ctx, limiter: t.watched}
	return response, nil
}

// ask returns an answer that is read through body.
func (t *boundedTransport) ask(request *http.Request, body *boundedBody) (*http.Response, error) {
	request.Header.Set("Accept", jsonOnly(request.Header.Get("Accept")))
	response, err := t.next.RoundTrip(request)
	if err != nil {
		body.cancel()
		return nil, err
	}
	body.ReadCloser = response.Body
	if err := refuseEncoding(response); err != nil {
		body.Close()
		return nil, err
	}
	// client-go would sleep for as long as this header says, and hold its caller.
	response.Header.Del("Retry-After")
	response.Body = body
	return response, nil
}

// withServerTimeout lets the API server give up a write before its caller does:
// it then says which webhook it has waited for.
func withServerTimeout(request *http.Request) *http.Request {
	deadline, bounded := request.Context().Deadline()
	query := request.URL.Query()
	if !bounded || request.Method == http.MethodGet || query.Has("timeout") {
		return request
	}
	left := max(time.Until(deadline)-answerTime, answerTime)
	query.Set("timeout", left.Round(time.Millisecond).String())
	request.URL.RawQuery = query.Encode()
	return request
}

// WrappedRoundTripper lets client-go find the transport within.
func (t *boundedTransport) WrappedRoundTripper() http.RoundTripper { return t.next }

// slowBody is read no faster than the limiter allows.
type slowBody struct {
	io.ReadCloser
	ctx     context.Context
	limiter *rate.Limiter
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), watchBurst)])
	if n > 0 {
		if wait := b.limiter.WaitN(b.ctx, n); wait != nil {
			return n, errors.Join(err, wait)
		}
	}
	return n, err
}
