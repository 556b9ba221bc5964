package tlsstate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// FuzzOpen sends messages whose sizes, and how the ciphertext is cut, are
// fuzzed. The plaintext must be what was sent, whatever the cuts.
func FuzzOpen(f *testing.F) {
	w := newWorld(f)
	s := newServer(f, w.config(NotRequested))
	f.Add(false, []byte{1, 2, 3}, []byte{5})
	f.Add(true, []byte{0, 255, 16, 1}, []byte{1, 1, 200, 0, 7})
	f.Add(true, []byte{200, 201, 202}, []byte{255, 4, 255})
	f.Fuzz(func(t *testing.T, tls13 bool, sizes, cuts []byte) {
		version := versions[0]
		if tls13 {
			version = versions[1]
		}
		p := mustConnect(t, s, w.clientConfig(version.id))
		var want, ciphertext []byte
		for _, size := range sizes[:min(len(sizes), 64)] {
			b := payload(int(size) * int(size)) // up to four records
			want = append(want, b...)
			ciphertext = append(ciphertext, p.clientSends(t, b)...)
		}
		var got []byte
		for i := 0; len(ciphertext) > 0; i++ {
			n := len(ciphertext)
			if i < len(cuts) {
				n = min(n, int(cuts[i])*int(cuts[i])/4)
			}
			var err error
			got, err = p.server.Open(got, ciphertext[:n])
			ok(t, err)
			ciphertext = ciphertext[n:]
		}
		if !bytes.Equal(got, want) {
			t.Fatal("plaintext differs")
		}
	})
}

// FuzzOpenDamaged replaces part of a valid stream. What is opened must be a
// prefix of what was sent, and any error one of the three kinds; afterwards
// nothing but that error may come.
func FuzzOpenDamaged(f *testing.F) {
	w := newWorld(f)
	s := newServer(f, w.config(NotRequested))
	f.Add(false, uint16(0), []byte{23, 3, 3, 0, 0})
	f.Add(true, uint16(100), []byte{21, 3, 3, 0, 2, 1, 0})
	f.Add(true, uint16(40), []byte{22, 3, 3, 255, 255})
	f.Add(false, uint16(300), []byte("\x30\x05\x00\x01tHI"))
	f.Fuzz(func(t *testing.T, tls13 bool, at uint16, damage []byte) {
		version := versions[0]
		if tls13 {
			version = versions[1]
		}
		p := mustConnect(t, s, w.clientConfig(version.id))
		want := payload(600)
		stream := p.clientSends(t, want[:100], want[100:101], want[101:])
		copy(stream[min(int(at), len(stream)):], damage)
		got, err := p.server.Open(nil, stream)
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("opened %x, which was never sent", got)
		}
		p.server.Pending(nil)
		var record *RecordError
		var alert *AlertError
		if err != nil && err != io.EOF && !errors.As(err, &record) && !errors.As(err, &alert) {
			t.Fatalf("error is %T: %v", err, err)
		}
		if more, again := p.server.Open(nil, stream); err != nil && (again != err || len(more) != 0) {
			t.Fatalf("opened %x, %v after %v", more, again, err)
		} else if len(more) != 0 {
			t.Fatalf("opened %x from a replay", more)
		}
	})
}

// FuzzHandshake lets a peer say anything and close. It must end in a
// HandshakeError with a cause, and give back its slot and its place.
func FuzzHandshake(f *testing.F) {
	w := newWorld(f)
	s := newServer(f, w.config(Required))
	h := NewHandshaker(Limits{Concurrent: 1, Bytes: 4096})
	for _, version := range versions {
		f.Add(clientHello(f, w.clientConfig(version.id)))
	}
	f.Add([]byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, script []byte) {
		c, err := h.Handshake(context.Background(), s, newScriptConn(string(script)))
		var handshake *HandshakeError
		if c != nil || !errors.As(err, &handshake) {
			t.Fatalf("ended with %v", err)
		}
		if handshake.Cause < Timeout || handshake.Cause > Other || handshake.Err == nil {
			t.Fatalf("cause is %v of %v", handshake.Cause, handshake.Err)
		}
		if len(script) >= recordHeaderBytes && script[0] == mqttConnectByte && handshake.Cause != NotTLS {
			t.Fatalf("an MQTT CONNECT is %v", handshake.Cause)
		}
		if h.Pending() != 0 || h.gate.free != 1 {
			t.Fatalf("%d pending, %d slots free", h.Pending(), h.gate.free)
		}
	})
}

// FuzzFraming compares framing with its naive twin on any stream, any cuts.
func FuzzFraming(f *testing.F) {
	f.Add([]byte{23, 3, 3, 0, 2, 1, 2, 23, 3, 3, 0, 0, 22}, []byte{1, 3, 9})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		i := 0
		checkFraming(t, stream, func(rest int) int {
			if i++; i <= len(cuts) {
				return min(rest, 1+int(cuts[i-1]))
			}
			return rest
		})
	})
}
