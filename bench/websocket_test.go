package bench

import (
	"bytes"
	"errors"
	"testing"
)

// serverFrame is a frame as a Server sends it, without a mask.
func serverFrame(opcode byte, payload []byte) []byte {
	b := appendFrame(nil, opcode, payload)
	header := 2
	switch b[1] &^ wsMasked {
	case 126:
		header = 4
	case 127:
		header = 10
	}
	b[1] &^= wsMasked
	return append(b[:header:header], b[header+4:]...)
}

func TestWebSocketIsReadInPiecesOfAnySize(t *testing.T) {
	var stream, want []byte
	for _, n := range []int{0, 1, 125, 126, 300, 0xFFFF, 0x10000} {
		payload := bytes.Repeat([]byte{byte(n)}, n)
		stream = append(stream, serverFrame(opBinary, payload)...)
		stream = append(stream, serverFrame(opPing, []byte("still there?"))...)
		want = append(want, payload...)
	}
	for _, piece := range []int{1, 2, 3, 7, 1000, len(stream)} {
		var w webSocket
		var got []byte
		pongs := 0
		for rest := stream; len(rest) > 0; {
			part := rest[:min(piece, len(rest))]
			rest = rest[len(part):]
			var pong bool
			var err error
			if got, pong, err = w.read(got, part); err != nil {
				t.Fatal(err)
			}
			if pong {
				pongs++
				if answer := w.append(nil, nil); !bytes.Equal(answer, appendFrame(nil, opPong, []byte("still there?"))) {
					t.Fatalf("the answer to a Ping is % x", answer)
				}
			}
		}
		if !bytes.Equal(got, want) || pongs == 0 || len(w.append(nil, nil)) != 0 {
			t.Errorf("in pieces of %d: %d bytes and %d Pongs, want %d bytes", piece, len(got), pongs, len(want))
		}
	}
}

func TestWebSocketRefusesWhatAServerDoesNotSend(t *testing.T) {
	for name, frame := range map[string][]byte{
		"masked":               appendFrame(nil, opBinary, []byte("x")),
		"text":                 serverFrame(1, []byte("x")),
		"a long Ping":          serverFrame(opPing, make([]byte, 126)),
		"Close":                serverFrame(opClose, nil),
		"Close with a code":    serverFrame(opClose, []byte{3, 232}),
		"masked and very long": appendFrame(nil, opBinary, make([]byte, 0x10000)),
	} {
		var w webSocket
		if got, _, err := w.read(nil, frame); err == nil || len(got) > 0 {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
	}
	var w webSocket
	if _, _, err := w.read(nil, serverFrame(opClose, nil)); !errors.Is(err, errClosed) {
		t.Errorf("Close: %v, want %v", err, errClosed)
	}
}

func TestUpgradeAnswersAreJudged(t *testing.T) {
	_, accept := upgradeRequest(&endpoint{address: "localhost:80", path: "/"})
	const start = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for _, row := range []struct {
		name, head string
		ok         bool
	}{
		{"accepted", start + "Sec-WebSocket-Accept: " + accept + "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", true},
		{"another key", start + "Sec-WebSocket-Accept: AAAA\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", false},
		{"no subprotocol", start + "Sec-WebSocket-Accept: " + accept + "\r\n\r\n", false},
		{"refused", "HTTP/1.1 403 Forbidden\r\n\r\n", false},
		{"not HTTP", "SSH-2.0\r\n\r\n", false},
	} {
		if err := checkUpgrade([]byte(row.head), accept); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
