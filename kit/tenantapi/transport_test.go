package tenantapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// hostile serves what no API server of Kubernetes does.
func hostile(t *testing.T) string {
	t.Helper()
	endless := make([]byte, 1<<16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(endless); err != nil {
					return
				}
			}
		case "/watch":
			for range 8 {
				_, _ = w.Write(endless)
			}
		default:
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnswersHaveAnEnd(t *testing.T) {
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(rate.Inf, 0)}}
	response, err := c.Get(hostile(t) + "/endless")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.Copy(io.Discard, response.Body)
	if !errors.Is(err, ErrAnswerTooLong) || read > maxAnswer {
		t.Errorf("read %d bytes and then %v, want %v after at most %d", read, err, ErrAnswerTooLong, maxAnswer)
	}
}

func TestSilenceHasAnEnd(t *testing.T) {
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(rate.Inf, 0)}}
	began := time.Now()
	if response, err := c.Get(hostile(t) + "/silent"); err == nil {
		response.Body.Close()
		t.Error("a server that says nothing has answered")
	}
	if waited := time.Since(began); waited < callTimeout {
		t.Errorf("gave up after %s, want %s", waited, callTimeout)
	}
}

func TestWatchesAreReadSlowly(t *testing.T) {
	const burst = 1 << 18
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(1<<19, burst)}}
	began := time.Now()
	response, err := c.Get(hostile(t) + "/watch?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.Copy(io.Discard, response.Body)
	if err != nil || read != 8<<16 {
		t.Fatalf("read %d bytes and then %v, want all %d", read, err, 8<<16)
	}
	// What goes beyond the burst takes half a second at this rate.
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("%d bytes were read in %s", read, took)
	}
}
