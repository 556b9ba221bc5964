package bench

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// webSocket is the Client's side of a WebSocket (RFC 6455) once it is open.
//
// Its masking key is zero, which takes no time: the key protects proxies from
// scripts in a browser, and the broker unmasks with it as with any other.
type webSocket struct {
	header [10]byte // of the frame that is being read, as far as it is here
	have   int
	left   uint64 // bytes of its payload to come
	opcode byte

	control []byte // payload of a control frame
	answer  []byte // a Pong that has not been sent
}

// Opcodes (RFC 6455, 5.2), and bits of the first two bytes.
const (
	opContinuation = 0x0
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	wsFinal  = 0x80
	wsMasked = 0x80

	maxControlPayload = 125
)

// append appends one frame with packets to dst, after a Pong that is waiting.
func (w *webSocket) append(dst, packets []byte) []byte {
	dst = append(dst, w.answer...)
	w.answer = w.answer[:0]
	if len(packets) == 0 {
		return dst
	}
	return appendFrame(dst, opBinary, packets) // [MQTT-6.0.0-1]
}

func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	n := len(payload)
	dst = append(dst, wsFinal|opcode)
	switch {
	case n <= maxControlPayload:
		dst = append(dst, wsMasked|byte(n))
	case n <= 0xFFFF:
		dst = append(dst, wsMasked|126, byte(n>>8), byte(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, wsMasked|127), uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0) // the masking key
	return append(dst, payload...)
}

// read appends to dst the payload of data frames in b. pong reports whether a
// Pong is to be sent.
func (w *webSocket) read(dst, b []byte) (packets []byte, pong bool, err error) {
	for len(b) > 0 {
		if w.left == 0 {
			if b, err = w.readHeader(b); err != nil {
				return dst, pong, err
			}
			if w.have > 0 {
				return dst, pong, nil // the rest of the header is to come
			}
		}
		part := b[:min(uint64(len(b)), w.left)]
		b = b[len(part):]
		w.left -= uint64(len(part))
		if w.opcode < opClose {
			dst = append(dst, part...)
			continue
		}
		w.control = append(w.control, part...)
		if w.left > 0 {
			return dst, pong, nil
		}
		switch w.opcode {
		case opClose:
			return dst, pong, errClosed
		case opPing:
			w.answer = appendFrame(w.answer[:0], opPong, w.control)
			pong = true
		}
		w.control = w.control[:0]
	}
	return dst, pong, nil
}

// readHeader takes bytes of a header; have is 0 again once it is complete.
func (w *webSocket) readHeader(b []byte) (rest []byte, err error) {
	for {
		need := 2
		if w.have >= 2 {
			switch w.header[1] {
			case 126:
				need = 4
			case 127:
				need = 10
			}
		}
		n := copy(w.header[w.have:need], b)
		w.have += n
		b = b[n:]
		switch {
		case w.have < need:
			return b, nil
		case need == 2 && w.header[1] >= 126 && w.header[1]&wsMasked == 0:
			continue
		}
		break
	}
	w.opcode = w.header[0] & 0x0F
	switch w.have {
	case 2:
		w.left = uint64(w.header[1])
	case 4:
		w.left = uint64(binary.BigEndian.Uint16(w.header[2:]))
	default:
		w.left = binary.BigEndian.Uint64(w.header[2:])
	}
	w.have = 0
	switch {
	case w.header[1]&wsMasked != 0:
		return b, errors.New("the broker sent a masked frame of WebSocket")
	case w.opcode != opContinuation && w.opcode != opBinary && w.opcode != opClose && w.opcode != opPing && w.opcode != opPong:
		return b, fmt.Errorf("the broker sent a frame of WebSocket with opcode %d", w.opcode)
	case w.opcode >= opClose && w.left > maxControlPayload:
		return b, fmt.Errorf("the broker sent a control frame of WebSocket with %d bytes", w.left)
	case w.opcode == opClose && w.left == 0:
		return b, errClosed
	}
	return b, nil
}

// upgradeRequest returns the request that opens a WebSocket, and what the
// broker has to answer to its key.
func upgradeRequest(e *endpoint) (request []byte, accept string) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", e.path, e.address, key) // [MQTT-6.0.0-3]
	digest := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, 1.3
	return request, base64.StdEncoding.EncodeToString(digest[:])
}

// checkUpgrade judges the head of the answer, which ends with an empty line.
func checkUpgrade(head []byte, accept string) error {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return fmt.Errorf("the answer to the WebSocket's request is not HTTP: %w", err)
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode != http.StatusSwitchingProtocols:
		text, _ := io.ReadAll(io.LimitReader(r.Body, 200)) // what there is of it
		return fmt.Errorf("the broker refused a WebSocket: %s %s", r.Status, strings.TrimSpace(string(text)))
	case r.Header.Get("Sec-WebSocket-Accept") != accept:
		return errors.New("the broker's Sec-WebSocket-Accept does not fit")
	case r.Header.Get("Sec-WebSocket-Protocol") != "mqtt":
		return fmt.Errorf("the broker's Sec-WebSocket-Protocol is %q, not mqtt", r.Header.Get("Sec-WebSocket-Protocol"))
	}
	return nil
}
