// Package audit tells from an API server's audit log what service accounts
// asked for, and which of their permissions they never needed.
package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Request is one request that the API server let through. A watch is one
// request, however long it lasts.
type Request struct {
	// User is the name of whoever asked, for example system:serviceaccount:slipway-system:dns-operator.
	User string
	Verb string
	// Implied is the verb of a second permission that the request takes or, where
	// the server is an older one, would take; empty for most requests.
	Implied string
	Group   string
	// Resource is followed by a slash and the subresource, if there is one.
	Resource  string
	Namespace string
	Name      string
	// Received is when the request came.
	Received time.Time
}

// Writes tells whether the request is of a kind that changes something.
func (r Request) Writes() bool {
	switch r.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// Open reads the log at a path, and before it the files that became full, which
// lie beside it.
func Open(path string) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		files, err := openAll(path)
		defer func() {
			for _, file := range files {
				_ = file.Close()
			}
		}()
		if err != nil {
			yield(Request{}, err)
			return
		}
		for _, file := range files {
			for request, err := range Read(file) {
				if err != nil {
					err = fmt.Errorf("read %s: %w", file.Name(), err)
				}
				if !yield(request, err) || err != nil {
					return
				}
			}
		}
	}
}

// openAll opens the current file before it looks for full ones: the API server
// may rename it in between, and nothing is missed that way, or read twice.
func openAll(path string) (files []*os.File, err error) {
	current, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	files = []*os.File{current}
	held, err := current.Stat()
	if err != nil {
		return files, err
	}
	extension := filepath.Ext(path)
	full, err := filepath.Glob(strings.TrimSuffix(path, extension) + "-*" + extension)
	if err != nil {
		return files, err
	}
	slices.Sort(full) // their names have the time
	for n, name := range full {
		file, err := os.Open(name)
		if err != nil {
			return files, err
		}
		files = slices.Insert(files, n, file)
		info, err := file.Stat()
		if err != nil {
			return files, err
		}
		if os.SameFile(held, info) {
			return files[:n+1], current.Close()
		}
	}
	return files, nil
}

// event has the fields of audit.k8s.io/v1 Event that are read here.
type event struct {
	Stage      string `json:"stage"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef *struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestReceivedTimestamp time.Time         `json:"requestReceivedTimestamp"`
	Annotations              map[string]string `json:"annotations"`
}

// Read gives the requests of a log of JSON lines. It ends with the first error.
func Read(r io.Reader) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		reader := bufio.NewReader(r)
		for {
			line, err := reader.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return // what has no end yet is being written
			}
			if err != nil {
				yield(Request{}, err)
				return
			}
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				yield(Request{}, fmt.Errorf("line %q is no audit event: %w", strings.TrimSpace(string(line)), err))
				return
			}
			if e.counts() && !yield(e.request(), nil) {
				return
			}
		}
	}
}

// counts is true of one event of each request that is about an object and was
// permitted. A watch is told when it begins: it may well outlast the log.
func (e event) counts() bool {
	stage := "ResponseComplete"
	if e.Verb == "watch" {
		stage = "ResponseStarted"
	}
	return e.Stage == stage && e.ObjectRef != nil && e.Annotations["authorization.k8s.io/decision"] == "allow"
}

func (e event) request() Request {
	request := Request{
		User: e.User.Username, Verb: e.Verb, Implied: e.implied(), Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, Received: e.RequestReceivedTimestamp,
	}
	if e.ObjectRef.Subresource != "" {
		request.Resource += "/" + e.ObjectRef.Subresource
	}
	return request
}

// implied: a patch or an update that makes its object needs to be permitted to
// create it, too. An informer asks for what there is with its watch, and falls
// back to a list where the server does not know how to answer that.
func (e event) implied() string {
	switch {
	case (e.Verb == "patch" || e.Verb == "update") && e.ResponseStatus.Code == http.StatusCreated:
		return "create"
	case e.Verb == "watch":
		if uri, err := url.ParseRequestURI(e.RequestURI); err == nil && uri.Query().Get("sendInitialEvents") == "true" {
			return "list"
		}
	}
	return ""
}
