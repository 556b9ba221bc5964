package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weirmq/weir/engine"
)

// embedded is the program of the README.
func embedded(ctx context.Context) error {
	e, err := engine.New(engine.Options{
		Listeners: []engine.Listener{{Address: "127.0.0.1:1883"}},
	})
	if err != nil {
		return err
	}
	go e.Run(ctx)
	<-e.Started()
	sub, err := e.Subscribe(ctx, "telemetry/#", engine.SubscribeOptions{QoS: 1}, func(m *engine.Message) {
		fmt.Printf("%s %s\n", m.TopicName, m.Payload)
	})
	if err != nil {
		return err
	}
	defer sub.Close()
	return e.Publish(ctx, engine.Message{TopicName: "telemetry/temperature", Payload: []byte("21.5"), QoS: 1})
}

// The README's program compiles, because it is the one above; and it works
// where its port is free.
func TestReadmeEmbedsTheEngineAsItSays(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(readme), "```go\n")
	if !found {
		t.Fatal("the README has no program")
	}
	block, _, _ = strings.Cut(block, "```")
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var indented strings.Builder
	for line := range strings.Lines(block) {
		indented.WriteString("\t" + line)
	}
	if !strings.Contains(string(source), indented.String()) {
		t.Fatalf("the program of the README is not the one in this file:\n%s", block)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	switch err := embedded(ctx); {
	case errors.Is(err, engine.ErrClosed):
		t.Log("its port is taken, and it says so")
	case err != nil:
		t.Fatal(err)
	}
}
