package engine

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Opcodes of frames (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	opcodeBits   = 0x0F
	controlBit   = 0x08 // of the opcodes of control frames
	reservedBits = 0x70
	finBit       = 0x80
	maskBit      = 0x80 // of the second byte
)

const (
	maxControlPayload = 125 // RFC 6455, 5.5

	// frameHeaderSpace is what output begins with until its length is known:
	// the longest header of a frame without a masking key.
	frameHeaderSpace = 10
)

// webSocketError is why a WebSocket connection ends.
type webSocketError struct {
	code   uint16 // for the Close frame; 0: none is given
	reason CloseReason
	detail string
}

func (e *webSocketError) Error() string { return e.detail }

func frameError(code uint16, format string, args ...any) *webSocketError {
	return &webSocketError{code: code, reason: CloseWebSocketProtocol, detail: fmt.Sprintf(format, args...)}
}

// frameReader takes frames apart, in pieces of any size. It keeps no data: a
// frame may be long, and what matters are the Control Packets in it.
type frameReader struct {
	limit uint64 // payload of a data frame

	header     [14]byte
	headerLen  uint8
	masked     uint8  // bytes of the payload so far, modulo 4
	inPayload  bool   // the header is complete
	fragmented bool   // a message has begun and not ended
	left       uint64 // bytes of the payload to come
	mask       [4]byte

	control []byte // payload of a control frame so far
	ping    []byte // payload of the last Ping
	pinged  bool   // it has not been answered
}

// read takes bytes from the network and returns what of them is payload of
// data frames. It is unmasked where it is and moved together: b is overwritten,
// and the result is a window on it.
//
// What comes before an error is returned with it; nothing may be read after.
func (r *frameReader) read(b []byte) (payload []byte, err *webSocketError) {
	n := 0 // bytes of payload at the beginning of b
	for rest := b; ; {
		if !r.inPayload {
			var complete bool
			if rest, complete, err = r.readHeader(rest); err != nil || !complete {
				return b[:n], err
			}
		}
		part := rest[:min(uint64(len(rest)), r.left)]
		rest = rest[len(part):]
		r.left -= uint64(len(part))
		if r.header[0]&controlBit != 0 {
			r.unmask(part, part)
			r.control = append(r.control, part...)
		} else {
			r.unmask(b[n:], part)
			n += len(part)
		}
		if r.left > 0 {
			return b[:n], nil
		}
		r.inPayload, r.headerLen = false, 0
		if r.header[0]&controlBit != 0 {
			if err := r.endControl(); err != nil {
				return b[:n], err
			}
		}
	}
}

// readHeader takes bytes of a header, and checks it once it is complete.
func (r *frameReader) readHeader(b []byte) (rest []byte, complete bool, err *webSocketError) {
	for {
		need := r.headerSize()
		k := copy(r.header[r.headerLen:need], b)
		r.headerLen += uint8(k)
		b = b[k:]
		if int(r.headerLen) < need {
			return b, false, nil
		}
		if need == 2 {
			// What can be known from two bytes is not waited for.
			if err := r.checkStart(); err != nil {
				return b, false, err
			}
			continue // a masked frame has more
		}
		return b, true, r.begin()
	}
}

// headerSize is the size of the header as far as it can be known.
func (r *frameReader) headerSize() int {
	if r.headerLen < 2 {
		return 2
	}
	switch r.header[1] &^ maskBit {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// checkStart judges the first two bytes of a header.
func (r *frameReader) checkStart() *webSocketError {
	first, second := r.header[0], r.header[1]
	opcode, fin := first&opcodeBits, first&finBit != 0
	switch {
	case first&reservedBits != 0:
		return frameError(webSocketProtocolError, "reserved bits are set, and no extension was agreed on")
	case second&maskBit == 0:
		return frameError(webSocketProtocolError, "a frame is not masked") // RFC 6455, 5.1
	}
	switch opcode {
	case opText:
		// [MQTT-6.0.0-1]
		return frameError(webSocketUnsupportedData, "a text frame: Control Packets are sent in binary frames")
	case opContinuation:
		if !r.fragmented {
			return frameError(webSocketProtocolError, "a continuation without a beginning")
		}
	case opBinary:
		if r.fragmented {
			return frameError(webSocketProtocolError, "a new message within another")
		}
	case opClose, opPing, opPong:
		if !fin || second&^maskBit > maxControlPayload {
			return frameError(webSocketProtocolError, "a control frame that is fragmented or longer than %d bytes", maxControlPayload)
		}
	default:
		return frameError(webSocketProtocolError, "opcode %#x is unknown", opcode)
	}
	return nil
}

// begin starts the payload of a frame whose header is complete.
func (r *frameReader) begin() *webSocketError {
	h := r.header[:r.headerLen]
	switch len(h) {
	case 2 + 4:
		r.left = uint64(h[1] &^ maskBit)
	case 2 + 2 + 4:
		if r.left = uint64(binary.BigEndian.Uint16(h[2:])); r.left < 126 {
			return frameError(webSocketProtocolError, "a length is not in its shortest form")
		}
	default:
		r.left = binary.BigEndian.Uint64(h[2:])
		if r.left <= 0xFFFF || r.left > 1<<63-1 {
			return frameError(webSocketProtocolError, "a length is not in its shortest form, or too long")
		}
	}
	if h[0]&controlBit == 0 {
		if r.left > r.limit {
			return &webSocketError{webSocketMessageTooBig, ClosePacketTooLarge, fmt.Sprintf("a frame of %d bytes, more than %d", r.left, r.limit)}
		}
		r.fragmented = h[0]&finBit == 0
	} else {
		r.control = r.control[:0]
	}
	copy(r.mask[:], h[len(h)-4:])
	r.masked = 0
	r.inPayload = true
	return nil
}

// unmask writes src, unmasked, to dst, which may begin before it in the same
// memory: what is read has not been written yet.
func (r *frameReader) unmask(dst, src []byte) {
	var key [8]byte
	for i := range key {
		key[i] = r.mask[(int(r.masked)+i)&3]
	}
	r.masked = uint8((int(r.masked) + len(src)) & 3)
	wide := binary.NativeEndian.Uint64(key[:])
	dst = dst[:len(src)]
	i := 0
	for ; i+8 <= len(src); i += 8 {
		binary.NativeEndian.PutUint64(dst[i:], binary.NativeEndian.Uint64(src[i:])^wide)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] ^ key[i&7]
	}
}

// endControl handles a control frame that is complete.
func (r *frameReader) endControl() *webSocketError {
	switch r.header[0] & opcodeBits {
	case opPing:
		// Only the last one needs an answer (RFC 6455, 5.5.3), so that however
		// many there are, one is kept.
		r.ping = append(r.ping[:0], r.control...)
		r.pinged = true
	case opClose:
		return closedByPeer(r.control)
	}
	return nil
}

// closedByPeer is the end that a Close frame brings, with the code to answer.
func closedByPeer(payload []byte) *webSocketError {
	e := &webSocketError{reason: CloseWebSocketClosed}
	if len(payload) == 0 {
		return e
	}
	if len(payload) == 1 {
		return frameError(webSocketProtocolError, "a Close frame with half a code")
	}
	e.code = binary.BigEndian.Uint16(payload)
	if !validCloseCode(e.code) {
		return frameError(webSocketProtocolError, "a Close frame with code %d, which no frame may have", e.code)
	}
	if !utf8.Valid(payload[2:]) {
		return frameError(webSocketInvalidPayload, "a Close frame whose reason is not UTF-8")
	}
	e.detail = fmt.Sprintf("code %d", e.code)
	return e
}

// sealFrame makes a binary frame of b, which begins with frameHeaderSpace
// bytes that are free. The result is a window on b.
func sealFrame(b []byte) []byte {
	n := len(b) - frameHeaderSpace
	var at int
	switch {
	case n < 126:
		at = frameHeaderSpace - 2
		b[at+1] = byte(n)
	case n <= 0xFFFF:
		at = frameHeaderSpace - 4
		b[at+1] = 126
		binary.BigEndian.PutUint16(b[at+2:], uint16(n))
	default:
		at = frameHeaderSpace - 10
		b[at+1] = 127
		binary.BigEndian.PutUint64(b[at+2:], uint64(n))
	}
	b[at] = finBit | opBinary // [MQTT-6.0.0-1]
	return b[at:]
}
