package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weirmq/weir/engine"
	"github.com/weirmq/weir/security"
)

// A program that has a broker inside: its own messages and those of Clients on
// the network go the same way.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := engine.New(engine.Options{
		Listeners: []engine.Listener{{Name: "mqtt", Address: "127.0.0.1:0"}},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	<-e.Started() // e.Addr("mqtt") is what Clients connect to

	received := make(chan *engine.Message)
	_, err = e.Subscribe(ctx, "sensors/+/temperature", engine.SubscribeOptions{QoS: 1}, func(m *engine.Message) { received <- m })
	if err != nil {
		panic(err)
	}
	if err := e.Publish(ctx, engine.Message{TopicName: "sensors/hall/temperature", Payload: []byte("21.5"), QoS: 1}); err != nil {
		panic(err)
	}
	m := <-received
	fmt.Printf("%s is %s\n", m.TopicName, m.Payload)

	cancel()
	fmt.Println("stopped:", <-done)
	// Output:
	// sensors/hall/temperature is 21.5
	// stopped: <nil>
}

// apiKeys is an Authenticator of a program's own: the password is a key that
// stands for a customer.
type apiKeys map[string]string

func (k apiKeys) Authenticate(ctx context.Context, c *security.Credentials) (security.Result, error) {
	if c.Password == nil {
		return security.Result{}, security.ErrNotRelevant
	}
	customer, ok := k[string(c.Password)] // a database, say: it may take its time
	if !ok {
		return security.Result{}, &security.Denied{Code: security.NotAuthorized, Reason: "no such key"}
	}
	return security.Result{Method: "key", Username: customer}, nil
}

// ownTopics is an Authorizer of a program's own: everyone has the topics below
// their name.
type ownTopics struct{}

func (ownTopics) Authorize(_ context.Context, p *security.Principal, a security.Action, topic string) (security.Decision, error) {
	own := strings.HasPrefix(topic, p.Username+"/")
	return security.Decision(a == security.ActionConnect || own), nil
}

// Who a Client is and what it may do can be the program's business.
func ExampleListener() {
	_, err := engine.New(engine.Options{Listeners: []engine.Listener{{
		Address:       "127.0.0.1:0",
		Authenticator: apiKeys{"0123456789abcdef": "contoso"},
		Authorizer:    ownTopics{},
	}}})
	fmt.Println(err)
	// Output: <nil>
}

// Listeners, their TLS and their policies change while the Engine runs.
// Clients notice only if they lose a right.
func ExampleEngine_Apply() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := engine.New(engine.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()

	inside := engine.Listener{Name: "inside", Address: "127.0.0.1:0"}
	if err := e.Apply(ctx, []engine.Listener{inside}); err != nil {
		panic(err)
	}
	inside.Authenticator = apiKeys{"0123456789abcdef": "contoso"}
	if err := e.Apply(ctx, []engine.Listener{inside}); err != nil {
		panic(err)
	}
	fmt.Println("open:", e.Addr("inside") != nil)
	if err := e.Apply(ctx, nil); err != nil {
		panic(err)
	}
	fmt.Println("open:", e.Addr("inside") != nil)

	cancel()
	<-done
	// Output:
	// open: true
	// open: false
}

// Observe sees what an operator would: here, why connections end.
func ExampleOptions_observe() {
	reasons := make(map[engine.CloseReason]int) // Observe is called from one goroutine
	_, err := engine.New(engine.Options{Observe: func(ev engine.Event) {
		if ev.Kind == engine.EventClose {
			reasons[ev.Reason]++
		}
	}})
	fmt.Println(err, engine.CloseKeepAliveTimeout)
	// Output: <nil> keep alive timeout
}
