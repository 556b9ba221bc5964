package tlsstate

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// half is one direction of a TLS 1.3 connection with TLS_AES_128_GCM_SHA256,
// written down from RFC 8446, sections 5 and 7, so that a test can send what
// crypto/tls's client never would.
type half struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// The content types and the handshake type that tests speak. RFC 8446,
// sections 5.1 and 4.
const (
	typeHandshake       = 22
	typeApplicationData = 23
	messageCertificate  = 11
	messageKeyUpdate    = 24
)

func newHalf(tb testing.TB, secret []byte) *half {
	tb.Helper()
	block, err := aes.NewCipher(expandLabel(tb, secret, "key", 16))
	ok(tb, err)
	aead, err := cipher.NewGCM(block)
	ok(tb, err)
	return &half{secret: secret, aead: aead, iv: expandLabel(tb, secret, "iv", 12)}
}

// expandLabel is HKDF-Expand-Label with an empty context. RFC 8446, section 7.1.
func expandLabel(tb testing.TB, secret []byte, label string, length int) []byte {
	tb.Helper()
	label = "tls13 " + label
	info := string([]byte{byte(length >> 8), byte(length), byte(len(label))}) + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, length)
	ok(tb, err)
	return out
}

// updated is the half after a KeyUpdate. RFC 8446, section 7.2.
func (h *half) updated(tb testing.TB) *half {
	return newHalf(tb, expandLabel(tb, h.secret, "traffic upd", sha256.Size))
}

func (h *half) nonce() []byte {
	nonce := bytes.Clone(h.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, h.seq) {
		nonce[4+i] ^= b
	}
	h.seq++
	return nonce
}

// seal makes a record with padding zeros behind its content. RFC 8446, section 5.2.
func (h *half) seal(contentType byte, content []byte, padding int) []byte {
	inner := append(bytes.Clone(content), contentType)
	inner = append(inner, make([]byte, padding)...)
	size := len(inner) + h.aead.Overhead()
	header := []byte{typeApplicationData, 3, 3, byte(size >> 8), byte(size)}
	return h.aead.Seal(header, h.nonce(), inner, header)
}

// open opens the first record of stream.
func (h *half) open(tb testing.TB, stream []byte) (contentType byte, content, rest []byte) {
	tb.Helper()
	size := int(binary.BigEndian.Uint16(stream[3:]))
	record := stream[recordHeaderBytes : recordHeaderBytes+size]
	inner, err := h.aead.Open(nil, h.nonce(), record, stream[:recordHeaderBytes])
	ok(tb, err)
	inner = bytes.TrimRight(inner, "\x00")
	return inner[len(inner)-1], inner[:len(inner)-1], stream[recordHeaderBytes+size:]
}

// connectRaw shakes hands by crypto/tls and goes on by hand.
func connectRaw(t *testing.T) (server *Conn, toServer, toClient *half) {
	t.Helper()
	w := newWorld(t)
	config := w.clientConfig(tls.VersionTLS13)
	var keys bytes.Buffer
	config.KeyLogWriter = &keys
	p := mustConnect(t, newServer(t, w.config(NotRequested)), config)
	if suite := p.server.State().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the client chose %s, as it does without AES in hardware", tls.CipherSuiteName(suite))
	}
	secrets := map[string]*half{}
	for line := range strings.Lines(keys.String()) {
		fields := strings.Fields(line)
		secret, err := hex.DecodeString(fields[2])
		ok(t, err)
		secrets[fields[0]] = newHalf(t, secret)
	}
	toServer, toClient = secrets["CLIENT_TRAFFIC_SECRET_0"], secrets["SERVER_TRAFFIC_SECRET_0"]
	toClient.seq = uint64(new(framing).advance(p.wire.in.Bytes())) // the session tickets
	return p.server, toServer, toClient
}

func keyUpdate(requestUpdate byte) []byte { return []byte{messageKeyUpdate, 0, 0, 1, requestUpdate} }

func TestKeyUpdateOfThePeerIsFollowedAndAnswered(t *testing.T) {
	for _, cut := range []int{0, 1, 4} { // the message may span two records
		server, toServer, toClient := connectRaw(t)
		for range 3 {
			request := keyUpdate(1)
			var stream []byte
			if cut > 0 {
				stream = append(stream, toServer.seal(typeHandshake, request[:cut], 0)...)
			}
			stream = append(stream, toServer.seal(typeHandshake, request[cut:], 0)...)
			toServer = toServer.updated(t)
			stream = append(stream, toServer.seal(typeApplicationData, []byte("new key"), 7)...)

			var got []byte
			for _, b := range stream {
				var err error
				got, err = server.Open(got, []byte{b})
				ok(t, err)
			}
			if string(got) != "new key" {
				t.Fatalf("got %q", got)
			}

			// The answer goes out first, under the old key, also when the owner
			// seals without asking for it.
			out, err := server.Seal(nil, []byte("reply"))
			ok(t, err)
			contentType, content, rest := toClient.open(t, out)
			if contentType != typeHandshake || !bytes.Equal(content, keyUpdate(0)) {
				t.Fatalf("answer is type %d, %x", contentType, content)
			}
			toClient = toClient.updated(t)
			contentType, content, rest = toClient.open(t, rest)
			if contentType != typeApplicationData || string(content) != "reply" || len(rest) != 0 {
				t.Fatalf("then type %d, %q, and %d bytes", contentType, content, len(rest))
			}
		}
	}
}

func TestKeyUpdateThatAsksForNothingIsNotAnswered(t *testing.T) {
	server, toServer, toClient := connectRaw(t)
	stream := toServer.seal(typeHandshake, keyUpdate(0), 0)
	stream = append(stream, toServer.updated(t).seal(typeApplicationData, []byte("new key"), 0)...)
	got, err := server.Open(nil, stream)
	ok(t, err)
	if string(got) != "new key" {
		t.Errorf("got %q", got)
	}
	out := server.Pending(nil)
	if len(out) != 0 {
		t.Errorf("answered with %x", out)
	}
	out, err = server.Seal(nil, []byte("reply"))
	ok(t, err)
	if _, content, _ := toClient.open(t, out); string(content) != "reply" {
		t.Errorf("then %q", content)
	}
}

func TestPeerThatSendsNoDataIsEnded(t *testing.T) {
	for _, test := range []struct {
		name   string
		record func(toServer **half) []byte
		err    error // nil: crypto/tls's own
		most   int   // records
	}{
		{"KeyUpdates", func(toServer **half) []byte {
			record := (*toServer).seal(typeHandshake, keyUpdate(1), 0)
			*toServer = (*toServer).updated(t)
			return record
		}, nil, 17},
		{"empty records", func(toServer **half) []byte {
			return (*toServer).seal(typeApplicationData, nil, 0)
		}, nil, 17},
		{"padding", func(toServer **half) []byte {
			return (*toServer).seal(typeApplicationData, nil, maxPlaintextBytes)
		}, errTooLongSilent, 5},
		{"a handshake message without end", func(toServer **half) []byte {
			return (*toServer).seal(typeHandshake, append([]byte{messageCertificate, 3, 0xff, 0xff}, make([]byte, 16_000)...), 0)
		}, errTooLongSilent, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, toServer, _ := connectRaw(t)
			fed, out := 0, 0
			for n := 1; ; n++ {
				record := test.record(&toServer)
				_, err := server.Open(nil, record)
				fed += len(record)
				out += len(server.Pending(nil))
				var unacceptable *RecordError
				if errors.As(err, &unacceptable) {
					if test.err != nil && !errors.Is(err, test.err) {
						t.Errorf("error is %v, want %v", err, test.err)
					}
					break
				}
				ok(t, err)
				if n == test.most {
					t.Fatalf("still open after %d records, %d bytes", n, fed)
				}
			}
			if out > fed+64 {
				t.Errorf("%d bytes were answered with %d", fed, out)
			}
		})
	}
}

func TestDataKeepsThePeerAlive(t *testing.T) {
	server, toServer, _ := connectRaw(t)
	for range 20 {
		stream := toServer.seal(typeApplicationData, nil, maxPlaintextBytes)
		stream = append(stream, toServer.seal(typeApplicationData, nil, maxPlaintextBytes)...)
		stream = append(stream, toServer.seal(typeApplicationData, []byte("data"), 0)...)
		got, err := server.Open(nil, stream)
		ok(t, err)
		if string(got) != "data" {
			t.Fatalf("got %q", got)
		}
	}
}
