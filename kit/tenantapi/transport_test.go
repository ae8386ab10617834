package tenantapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// hostile serves what no API server of Kubernetes does.
func hostile(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := func(status int, start, again string) {
			w.WriteHeader(status)
			again = strings.Repeat(again, (1<<16)/len(again))
			for _, err := io.WriteString(w, start); err == nil && r.Context().Err() == nil; {
				_, err = io.WriteString(w, again)
			}
		}
		switch r.URL.Path {
		case "/endless":
			answer(http.StatusOK, `{"a":"`, "x")
		case "/objects":
			answer(http.StatusOK, `{"items":[`, "{},")
		case "/numbers":
			answer(http.StatusOK, `{"items":[`, "0,")
		case "/error":
			answer(http.StatusGone, `{"message":"`, "{}")
		case "/errors":
			answer(http.StatusGone, "", `{"message":""}`)
		case "/events":
			for range 8 {
				_, _ = io.WriteString(w, strings.Repeat(`{"a":{"b":"}{[,\""}}`+"\n", (1<<16)/20))
			}
		case "/protobuf":
			w.Header().Set("Content-Type", "application/vnd.kubernetes.protobuf")
		case "/late":
			w.WriteHeader(http.StatusGone)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnswersHaveAnEnd(t *testing.T) {
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(rate.Inf, 0)}}
	server := hostile(t)
	for _, path := range []string{
		"/endless", "/objects", "/numbers", "/error", "/errors",
		"/endless?watch=true", "/objects?watch=true", "/numbers?watch=true", "/error?watch=true", "/errors?watch=true",
	} {
		response, err := c.Get(server + path)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if !errors.Is(err, errAnswerTooLong) || read > maxBytes {
			t.Errorf("%s: read %d bytes and then %v, want %v after at most %d", path, read, err, errAnswerTooLong, maxBytes)
		}
	}
}

func TestEventsAreBoundedOneByOne(t *testing.T) {
	body := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat(`{"a":[1,2,"}]\\\"{"]}`, maxValues))), events: true}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Errorf("many small events: %v", err)
	}
}

func TestOnlyJSONIsRead(t *testing.T) {
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(rate.Inf, 0)}}
	server := hostile(t)
	for _, path := range []string{"/protobuf", "/protobuf?watch=true"} {
		if response, err := c.Get(server + path); err == nil {
			response.Body.Close()
			t.Errorf("%s: protobuf is read, whose values are not counted", path)
		}
	}
	const partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	for accept, want := range map[string]string{
		"application/vnd.kubernetes.protobuf, */*": "application/json",
		"": "application/json",
		"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1," + partial: partial,
	} {
		if got := jsonOnly(accept); got != want {
			t.Errorf("for %q: %q, want %q", accept, got, want)
		}
	}
}

func TestSilenceHasAnEnd(t *testing.T) {
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(rate.Inf, 0)}}
	server := hostile(t)
	for _, path := range []string{"/silent", "/silent?watch=true", "/late", "/late?watch=true"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			response, err := c.Get(server + path)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			if err == nil {
				t.Error("a server that says nothing has answered")
			}
			if waited := time.Since(began); waited < callTimeout || waited > 2*callTimeout {
				t.Errorf("gave up after %s, want %s", waited, callTimeout)
			}
		})
	}
}

func TestWatchesAreReadSlowly(t *testing.T) {
	const burst = 1 << 18
	c := &http.Client{Transport: &boundedTransport{next: http.DefaultTransport, watched: rate.NewLimiter(1<<19, burst)}}
	began := time.Now()
	response, err := c.Get(hostile(t) + "/events?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.Copy(io.Discard, response.Body)
	if err != nil || read < 7<<16 {
		t.Fatalf("read %d bytes and then %v, want all", read, err)
	}
	// What goes beyond the burst takes half a second at this rate.
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("%d bytes were read in %s", read, took)
	}
}

// The server is told to give up first, so that it can say what it waited for.
func TestWritesEndAtTheServerFirst(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
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
