package tenantapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

const (
	// maxBytes bounds one answer, and one event of a watch. An object that etcd
	// takes, 1.5 MiB, is as long when it is all base64.
	maxBytes = 2 << 20
	// maxValues bounds the values in one answer or event: a list of "0,0,0…"
	// makes a struct of a kilobyte of each two bytes. A Node has some hundred.
	maxValues = 1 << 14
	// pageSize is how many objects are asked for at a time, so that a page of
	// honest ones is within these bounds.
	pageSize = 10
)

// errAnswerTooLong is the end of an answer that was cut off.
var errAnswerTooLong = fmt.Errorf("the tenant's API server answered with more than %d MiB or %d values", maxBytes>>20, maxValues)

const mediaTypeJSON = "application/json"

// jsonOnly asks for the one encoding whose values are counted here.
func jsonOnly(accept string) string {
	parts := slices.DeleteFunc(strings.Split(accept, ","), func(part string) bool {
		kind, _, err := mime.ParseMediaType(part)
		return err != nil || kind != mediaTypeJSON
	})
	if len(parts) == 0 {
		return mediaTypeJSON
	}
	return strings.Join(parts, ",")
}

// refuseEncoding fails for an answer that client-go would decode and that is not
// JSON; plain text, which it would not, is what /readyz answers.
func refuseEncoding(response *http.Response) error {
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != mediaTypeJSON && kind != "text/plain" {
		return errors.New("the tenant's API server answered with something else than JSON")
	}
	return nil
}

// boundedBody fails, rather than ends, when an answer or an event is too long:
// what was read must not be taken for the whole.
type boundedBody struct {
	io.ReadCloser
	// events is true for a watch, whose events are bounded one by one.
	events bool
	cancel func()

	bytes, values, depth int
	quoted, escaped      bool
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for _, c := range p[:n] {
		b.count(c)
		if b.bytes > maxBytes || b.values > maxValues {
			return 0, errAnswerTooLong
		}
	}
	return n, err
}

// count follows JSON as far as is needed to know what is within a string, and
// where an event ends. It need not notice what is no JSON: the decoder does.
func (b *boundedBody) count(c byte) {
	b.bytes++
	switch {
	case b.escaped:
		b.escaped = false
	case b.quoted:
		b.escaped, b.quoted = c == '\\', c != '"'
	case c == '"':
		b.quoted = true
	case c == ',':
		b.values++
	case c == '{', c == '[':
		b.values++
		b.depth++
	case c == '}', c == ']':
		b.depth--
		if b.events && b.depth == 0 {
			b.bytes, b.values = 0, 0
		}
	}
}

func (b *boundedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
