package tlsstate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// forEachVersion runs a test on a fresh pair of each version, with client certificates.
func forEachVersion(t *testing.T, test func(t *testing.T, p *pair)) {
	w := newWorld(t)
	s := newServer(t, w.config(Required))
	for _, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			test(t, mustConnect(t, s, w.clientConfig(version.id, w.client)))
		})
	}
}

// payload returns n bytes that are not all alike.
func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

// mustOpen opens ciphertext in the pieces given and returns all plaintext.
func (p *pair) mustOpen(t *testing.T, pieces ...[]byte) (plaintext []byte) {
	t.Helper()
	for _, piece := range pieces {
		var err error
		plaintext, err = p.server.Open(plaintext, piece)
		ok(t, err)
	}
	return plaintext
}

func TestOpenTakesRecordsCutAtAnyByte(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		want := payload(70)
		send := func() []byte { return p.clientSends(t, want[:1], want[1:30], want[30:]) }
		ciphertext := send()
		for cut := range len(ciphertext) + 1 {
			if cut > 0 {
				ciphertext = send()
			}
			if got := p.mustOpen(t, ciphertext[:cut], ciphertext[cut:]); !bytes.Equal(got, want) {
				t.Fatalf("cut at %d: got %x, want %x", cut, got, want)
			}
		}
	})
}

func TestOpenTakesOneByteAtATime(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		want := payload(40_000)
		ciphertext := p.clientSends(t, want[:1], want[1:500], want[500:])
		var got []byte
		for i := range ciphertext {
			got = p.mustOpenOnto(t, got, ciphertext[i:i+1])
		}
		if !bytes.Equal(got, want) {
			t.Fatal("plaintext differs")
		}
	})
}

func (p *pair) mustOpenOnto(t *testing.T, dst, ciphertext []byte) []byte {
	t.Helper()
	dst, err := p.server.Open(dst, ciphertext)
	ok(t, err)
	return dst
}

func TestOpenTakesManyRecordsAtOnce(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		var want, ciphertext []byte
		for i := range 2000 {
			b := payload(i % 300)
			want = append(want, b...)
			ciphertext = append(ciphertext, p.clientSends(t, b)...)
		}
		prefix := []byte("kept")
		got := p.mustOpenOnto(t, prefix, ciphertext)
		if !bytes.Equal(got, append(prefix, want...)) {
			t.Fatal("plaintext differs")
		}
	})
}

func TestOpenTakesRandomPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	forEachVersion(t, func(t *testing.T, p *pair) {
		for range 200 {
			want := payload(random.IntN(1 << random.IntN(18)))
			rest := p.clientSends(t, want)
			var got []byte
			for len(rest) > 0 {
				n := 1 + random.IntN(min(len(rest), 1<<random.IntN(18)))
				got = p.mustOpenOnto(t, got, rest[:n])
				rest = rest[n:]
			}
			if !bytes.Equal(got, want) {
				t.Fatal("plaintext differs")
			}
		}
	})
}

func TestOpenBorrowsItsInputForTheCallOnly(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		want := payload(1000)
		ciphertext := p.clientSends(t, want)
		piece := bytes.Clone(ciphertext[:600])
		got := p.mustOpen(t, piece)
		clear(piece)
		if got = p.mustOpenOnto(t, got, ciphertext[600:]); !bytes.Equal(got, want) {
			t.Fatal("the cut record was read from lent memory")
		}
	})
}

func TestSealMakesOneRecordForEach16KB(t *testing.T) {
	for _, test := range []struct{ size, records int }{
		{0, 0}, {1, 1}, {64, 1}, {1 << 14, 1}, {1<<14 + 1, 2}, {3 << 14, 3}, {200_000, 13},
	} {
		t.Run(fmt.Sprintf("size=%d", test.size), func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, p *pair) {
				want := payload(test.size)
				prefix := []byte("kept")
				sealed, err := p.server.Seal(prefix, want)
				ok(t, err)
				if !bytes.HasPrefix(sealed, prefix) {
					t.Fatal("dst was overwritten")
				}
				sealed = sealed[len(prefix):]
				if got := new(framing).advance(sealed); got != test.records {
					t.Errorf("%d records, want %d", got, test.records)
				}
				if overhead := len(sealed) - test.size; overhead > test.records*sealOverheadBytes {
					t.Errorf("overhead is %d bytes, more than sealOverheadBytes allows for", overhead)
				}
				got, err := p.clientReceives(sealed)
				ok(t, err)
				if !bytes.Equal(got, want) {
					t.Error("plaintext differs")
				}
			})
		})
	}
}

func TestCloseNotifyOfThePeerIsEOF(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		ok(t, func() error { _, err := p.client.Write([]byte("last")); return err }())
		ok(t, p.client.CloseWrite())
		got, err := p.server.Open(nil, p.takeClientOutput())
		if string(got) != "last" || err != io.EOF {
			t.Fatalf("got %q, %v", got, err)
		}
		// What comes behind it is not for us. RFC 8446, section 6.1.
		if got, err = p.server.Open(nil, []byte("whatever")); len(got) != 0 || err != io.EOF {
			t.Errorf("got %q, %v after close_notify", got, err)
		}
		// The other direction stays open.
		sealed, err := p.server.Seal(nil, []byte("goodbye"))
		ok(t, err)
		got, err = p.clientReceives(p.server.CloseNotify(sealed))
		if string(got) != "goodbye" || err != io.EOF {
			t.Errorf("client got %q, %v", got, err)
		}
	})
}

func TestCloseNotifyToThePeerIsSentOnce(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		alert := p.server.CloseNotify(nil)
		if again := p.server.CloseNotify(nil); len(again) != 0 {
			t.Errorf("close_notify was sent twice: %x", again)
		}
		if sealed, err := p.server.Seal(nil, []byte("late")); err != net.ErrClosed || len(sealed) != 0 {
			t.Errorf("sealed %x, %v after close_notify", sealed, err)
		}
		// What the peer had on the way still arrives.
		if got := p.mustOpen(t, p.clientSends(t, []byte("on the way"))); string(got) != "on the way" {
			t.Errorf("got %q", got)
		}
		if _, err := p.clientReceives(alert); err != io.EOF {
			t.Errorf("client got %v, want EOF", err)
		}
	})
}

func TestDamagedRecordEndsTheConnection(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(record []byte) []byte
	}{
		{"body", func(b []byte) []byte { b[9] ^= 1; return b }},
		{"tag", func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b }},
		{"version", func(b []byte) []byte { b[1] = 9; return b }},
		{"type", func(b []byte) []byte { b[0] = 99; return b }},
		{"length over the limit", func(b []byte) []byte { b[3] = 0xff; return b }},
		{"replayed", func(b []byte) []byte { return append(b, b...) }},
		{"plain MQTT", func([]byte) []byte { return []byte("\x30\x05\x00\x01tHI") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			forEachVersion(t, func(t *testing.T, p *pair) {
				good := p.clientSends(t, []byte("good"))
				bad := test.damage(p.clientSends(t, []byte("good")))
				got, err := p.server.Open(nil, append(good, bad...))
				var record *RecordError
				if !errors.As(err, &record) {
					t.Fatalf("error is %v, want a *RecordError", err)
				}
				if want := bytes.Repeat([]byte("good"), 2); !bytes.HasPrefix(want, got) || len(got) < 4 {
					t.Errorf("got %q", got)
				}
				if _, again := p.server.Open(nil, p.clientSends(t, []byte("good"))); again != err {
					t.Errorf("then %v: the error must stay", again)
				}
				if sealed, sealErr := p.server.Seal(nil, []byte("late")); sealErr != err {
					t.Errorf("sealed with %v", sealErr)
				} else if _, err := p.clientReceives(sealed); err == nil || err == io.EOF {
					t.Errorf("client got %v, want the pending alert", err)
				}
				if more := p.server.CloseNotify(nil); len(more) != 0 {
					t.Errorf("close_notify after a fatal alert: %x", more)
				}
			})
		})
	}
}

func TestFatalAlertOfThePeerIsAnAlertError(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		sealed, err := p.server.Seal(nil, []byte("data"))
		ok(t, err)
		sealed[len(sealed)-1] ^= 1
		if _, err = p.clientReceives(sealed); err == nil {
			t.Fatal("the client took a damaged record")
		}
		got, err := p.server.Open(nil, p.takeClientOutput())
		var alert *AlertError
		if !errors.As(err, &alert) || len(got) != 0 {
			t.Fatalf("got %q, %v, want an *AlertError", got, err)
		}
		if _, sealErr := p.server.Seal(nil, []byte("late")); sealErr != err {
			t.Errorf("sealed with %v", sealErr)
		}
		if out := p.server.CloseNotify(nil); len(out) != 0 {
			t.Errorf("answered a fatal alert with %x", out)
		}
	})
}

func TestTransportIsNobodysSocket(t *testing.T) {
	forEachVersion(t, func(t *testing.T, p *pair) {
		if p.server.transport.wire != nil {
			t.Error("the connection still holds its handshake")
		}
		if nc := p.server.tls.NetConn(); nc != net.Conn(&p.server.transport) {
			t.Errorf("the connection is over a %T", nc)
		}
	})
}
