package tenantapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"
)

const (
	// maxAnswer bounds the answer to one request that is no watch. Kubernetes'
	// own lists come in pages of 500 objects.
	maxAnswer = 16 << 20
	// watchRate and watchBurst bound what all watches of a connection may bring,
	// in bytes and per second: enough to fill the caches at once and for a busy
	// cluster, too little to keep the operator busy with one tenant.
	watchRate  = 1 << 20
	watchBurst = 16 << 20
	// answerTime is what an API server has to answer after it has given up.
	answerTime = time.Second
)

// retryAfter is for how long client-go would sleep, and hold its caller.
const retryAfter = "Retry-After"

// ErrAnswerTooLong is the end of an answer that was cut off.
var ErrAnswerTooLong = fmt.Errorf("the tenant's API server answered with more than %d MiB", maxAnswer>>20)

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
		response, err := t.next.RoundTrip(request)
		if err == nil {
			response.Header.Del(retryAfter)
			response.Body = &slowBody{ReadCloser: response.Body, ctx: request.Context(), limiter: t.watched}
		}
		return response, err
	}
	ctx, cancel := context.WithTimeout(request.Context(), callTimeout)
	response, err := t.next.RoundTrip(withServerTimeout(request.Clone(ctx)))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Header.Del(retryAfter)
	response.Body = &shortBody{body: response.Body, cancel: cancel, left: maxAnswer}
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

// shortBody fails, rather than ends, when an answer is too long: what was read
// must not be taken for the whole.
type shortBody struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	left   int
}

func (b *shortBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, ErrAnswerTooLong
	}
	return n, err
}

func (b *shortBody) Close() error {
	defer b.cancel()
	return b.body.Close()
}
