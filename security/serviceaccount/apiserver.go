package serviceaccount

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirmq/weir/security/internal/breaker"
	"github.com/weirmq/weir/security/internal/quote"
)

const (
	// requestTimeout bounds one request, from dialing to the end of the answer.
	requestTimeout = 5 * time.Second
	// maxAnswerBytes bounds what an answer may make us read. The annotations
	// of an object are at most 256 KiB.
	maxAnswerBytes = 1 << 20
	// credentialsAge is how old what was read from files may become. The
	// kubelet replaces a token some 10 minutes before its end.
	credentialsAge = 10 * time.Second
	// maxPause bounds the time for which an API server can have us be quiet,
	// and an attempt is given up when it asks for more than once or twice.
	maxPause    = 10 * time.Second
	maxAttempts = 3
)

// apiServer calls the API server of a cluster by plain HTTP and JSON. Safe for
// concurrent use.
type apiServer struct {
	access      Access
	connections int
	now         func() time.Time
	breaker     breaker.Breaker

	mu     sync.Mutex
	held   credentials
	client *http.Client
	read   time.Time // when held was
	resume time.Time // no request before, as the API server asked
}

// statusError is an answer that says no.
type statusError struct {
	code    int
	message string // of the API server, printable
	after   time.Duration
}

func (e *statusError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("the API server answers %d", e.code)
	}
	return fmt.Sprintf("the API server answers %d: %s", e.code, e.message)
}

// statusOf returns the HTTP status of an error, or 0.
func statusOf(err error) int {
	var s *statusError
	if errors.As(err, &s) {
		return s.code
	}
	return 0
}

// call makes a request, and decodes the answer into out. It waits and tries
// again when the API server asks for that, and shows a fresh token when the old
// one is refused. A secret that is in the request is in no error, though the
// API server may quote it.
func (s *apiServer) call(ctx context.Context, method, path, secret string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		if err := s.pause(ctx); err != nil {
			return err
		}
		err := s.try(ctx, method, path, secret, body, out)
		var status *statusError
		if !errors.As(err, &status) {
			return err
		}
		if status.after > 0 {
			s.beQuiet(status.after)
		}
		switch {
		case attempt == maxAttempts:
			return err
		case status.code == http.StatusUnauthorized && attempt == 1:
			s.refresh()
		case status.after == 0:
			return err
		}
	}
}

// pause waits until the API server is ready for requests, if it has said so.
func (s *apiServer) pause(ctx context.Context) error {
	s.mu.Lock()
	wait := s.resume.Sub(s.now())
	s.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beQuiet holds back all requests.
func (s *apiServer) beQuiet(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := s.now().Add(min(d, maxPause)); until.After(s.resume) {
		s.resume = until
	}
}

// refresh has the files read again before the next request.
func (s *apiServer) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = time.Time{}
}

// session returns a client and the token to show with it.
func (s *apiServer) session() (*http.Client, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.client != nil && now.Sub(s.read) < credentialsAge {
		return s.client, s.held.token, nil
	}
	fresh, err := s.access.read()
	if err == nil && (s.client == nil || !fresh.sameTLS(s.held)) {
		err = s.connectWith(fresh)
	}
	switch {
	case err == nil:
		s.held, s.read = fresh, now
	case s.client == nil:
		return nil, "", err
	default:
		// A file that is being replaced is no reason to stop: what was read
		// before may well do.
		s.read = now
	}
	return s.client, s.held.token, nil
}

// connectWith makes a client for credentials. Connections of the previous one
// end with the requests on them.
func (s *apiServer) connectWith(c credentials) error {
	config, err := s.access.tlsConfig(c)
	if err != nil {
		return err
	}
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	s.client = &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: requestTimeout}).DialContext,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: requestTimeout,
			ForceAttemptHTTP2:   true,
			// An API server that died without a word is noticed by pings.
			HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: requestTimeout},
			MaxConnsPerHost:     s.connections,
			MaxIdleConnsPerHost: s.connections,
			IdleConnTimeout:     time.Minute,
		},
		CheckRedirect: noRedirect, // it would carry the token elsewhere
	}
	return nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// errLeftAlone is the answer to all requests but a few while the API server does
// not answer: each would cost a Client the whole requestTimeout.
var errLeftAlone = errors.New("it does not answer, and is not asked again yet")

// try makes one request, if the API server is one that answers.
func (s *apiServer) try(ctx context.Context, method, path, secret string, body []byte, out any) error {
	client, token, err := s.session()
	if err != nil {
		return err
	}
	began := s.now()
	permission, ok := s.breaker.Admit(began)
	if !ok {
		return errLeftAlone
	}
	shown := breaker.Abandoned
	defer func() { s.breaker.Settle(permission, shown, s.now()) }() // after a panic too, or no other would be admitted
	a, err := s.exchange(ctx, client, method, path, token, body)
	shown = outcomeOf(ctx, err, s.now().Sub(began))
	switch {
	case err != nil:
		return err
	case a.code != http.StatusOK && a.code != http.StatusCreated:
		return newStatusError(a, secret, token)
	}
	if err := json.Unmarshal(a.text, out); err != nil {
		return errors.New("the API server answers with something else than the JSON expected")
	}
	return nil
}

// shortTime is the part of the requestTimeout in which no API server needs to
// answer: Clients that have waited for their turn may leave no more.
const shortTime = 10

// outcomeOf says what a request has shown about the API server. If it was given
// up with its last Client, that is the API server's fault when the Client's time
// was over, and not when the Client went away.
func outcomeOf(ctx context.Context, err error, took time.Duration) breaker.Outcome {
	switch {
	case err == nil:
		return breaker.Answered
	case ctx.Err() == nil,
		errors.Is(context.Cause(ctx), context.DeadlineExceeded) && took >= requestTimeout/shortTime:
		return breaker.Failed
	}
	return breaker.Abandoned
}

// answer is what an API server says to a request.
type answer struct {
	code       int // of HTTP
	retryAfter string
	text       []byte
}

// exchange sends a request.
func (s *apiServer) exchange(ctx context.Context, client *http.Client, method, path, token string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.access.server+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "weir")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusSwitchingProtocols {
		// Its body is the bare connection, which does not end with ctx any more.
		return answer{code: response.StatusCode}, nil
	}
	text, err := readAnswer(response.Body)
	return answer{response.StatusCode, response.Header.Get("Retry-After"), text}, err
}

// readAnswer reads a body that may not be too long.
func readAnswer(body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxAnswerBytes+1))
	if err == nil && len(text) > maxAnswerBytes {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswerBytes)
	}
	return text, err
}

// newStatusError takes the message of the Status object with which Kubernetes
// says no, without the secrets.
func newStatusError(a answer, secrets ...string) *statusError {
	var status struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	}
	e := &statusError{code: a.code}
	if json.Unmarshal(a.text, &status) == nil && status.Kind == "Status" {
		e.message = quote.Line(without(status.Message, secrets...), quote.Most)
	}
	if e.code == http.StatusTooManyRequests || e.code == http.StatusServiceUnavailable {
		e.after = retryAfter(a.retryAfter)
	}
	return e
}

// retryAfter reads a Retry-After in seconds. Kubernetes sends no dates.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.ParseUint(header, 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// without puts TOKEN in the place of secrets. It comes before what shortens a
// text: a part of a secret is not found.
func without(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "TOKEN")
		}
	}
	return s
}
