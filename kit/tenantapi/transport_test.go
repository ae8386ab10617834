package tenantapi

import (
	"context"
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

// The server is told to give up first, so that it can say what it waited for.
func TestWritesEndAtTheServerFirst(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Query().Get("timeout")
	}))
	t.Cleanup(server.Close)
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(rate.Inf, 0)}}
	for _, test := range []struct {
		method, query  string
		within, atMost time.Duration
	}{
		{http.MethodPatch, "", time.Minute, callTimeout - answerTime},
		{http.MethodPost, "?x=y", 3 * time.Second, 2 * time.Second},
		{http.MethodDelete, "?timeout=10s", time.Minute, 10 * time.Second},
		{http.MethodGet, "", time.Minute, 0},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), test.within)
		request, err := http.NewRequestWithContext(ctx, test.method, server.URL+test.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		cancel()
		var got time.Duration
		if text := <-asked; text != "" {
			if got, err = time.ParseDuration(text); err != nil {
				t.Fatal(err)
			}
		}
		if got > test.atMost || got < test.atMost-time.Second {
			t.Errorf("%s%s within %s: timeout %s, want %s", test.method, test.query, test.within, got, test.atMost)
		}
	}
}
