package main

import "github.com/weirmq/weir/bench"

// checkTLS refuses flags that would have no effect, because nobody that is
// measured has TLS, or the broker of --self does without them.
func (b *benching) checkTLS() error {
	flags := []struct {
		name  string
		given bool
		self  bool // they go together with --self
	}{
		{"cafile", b.cafile != "", false},
		{"cert", b.cert != "", false},
		{"key", b.key != "", false},
		{"insecure", b.insecure, true},
		{"resume", b.resume, true},
		{"key-exchange", b.keyExchange != "", true},
	}
	brokers := []string{b.config.Broker}
	whose := "--broker " + b.config.Broker + " has none: write a URL"
	if len(b.peers) > 0 {
		brokers = nil
		whose = "no --peer has any: write URLs"
	}
	for _, text := range b.peers {
		p, err := parsePeer(text)
		if err != nil {
			return err
		}
		brokers = append(brokers, p.Broker)
	}
	secure := false
	for _, broker := range brokers {
		transport, _, err := bench.ParseBroker(broker)
		// What is wrong with an address is said elsewhere.
		secure = secure || err != nil || transport == bench.TLS || transport == bench.WebSocketTLS
	}
	for _, f := range flags {
		switch {
		case f.given && b.self && !f.self:
			return usagef("--%s is not for --self: that broker makes a CA of its own, which is trusted, and asks for no certificate", f.name)
		case f.given && !secure:
			return usagef("--%s is for TLS, and %s with mqtts or wss", f.name, whose)
		}
	}
	return nil
}
