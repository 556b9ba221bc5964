package engine

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
)

// webSocketStream is a Client's end of a WebSocket as a stream of bytes: each
// Write is a frame, and a Close frame is the end.
type webSocketStream struct {
	net.Conn
	in        *bufio.Reader
	left      int // of the frame that is being read
	closeCode int // of the Close frame that came; 0: none, or it had no code
}

// upgradeStream makes a WebSocket of a connection.
func upgradeStream(nc net.Conn) (*webSocketStream, error) {
	const request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
	if _, err := io.WriteString(nc, request); err != nil {
		return nil, err
	}
	w := &webSocketStream{Conn: nc, in: bufio.NewReader(nc)}
	status, err := w.in.ReadString('\n')
	if err != nil || !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		return nil, fmt.Errorf("the answer is %q: %w", status, err)
	}
	for line := status; line != "\r\n" && err == nil; {
		line, err = w.in.ReadString('\n')
	}
	return w, err
}

// Write sends b as a frame.
func (w *webSocketStream) Write(b []byte) (int, error) {
	if _, err := w.Conn.Write(clientFrame(nil, finBit|opBinary, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read reads what frames hold.
func (w *webSocketStream) Read(b []byte) (int, error) {
	for w.left == 0 {
		var h [2]byte
		if _, err := io.ReadFull(w.in, h[:]); err != nil {
			return 0, err
		}
		if h[0] == finBit|opClose {
			payload := make([]byte, h[1])
			if _, err := io.ReadFull(w.in, payload); err != nil {
				return 0, err
			}
			if len(payload) >= 2 {
				w.closeCode = int(binary.BigEndian.Uint16(payload))
			}
			return 0, io.EOF
		}
		w.left = int(h[1])
		if w.left >= 126 {
			length := make([]byte, 2+6*(w.left-126))
			if _, err := io.ReadFull(w.in, length); err != nil {
				return 0, err
			}
			w.left = int(binary.BigEndian.Uint64(append(make([]byte, 8-len(length)), length...)))
		}
	}
	n, err := w.in.Read(b[:min(len(b), w.left)])
	w.left -= n
	return n, err
}
