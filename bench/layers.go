package bench

import "github.com/weirmq/weir/tlsstate"

// layers are what is between Control Packets and a socket: nothing, TLS,
// WebSocket, or both.
type layers struct {
	tls *tlsstate.Conn
	ws  *webSocket
	mid []byte // what is between TLS and WebSocket, while it is passed on
}

func (y *layers) plain() bool { return y.tls == nil && y.ws == nil }

// seal appends to dst what the socket is to carry for packets, which may be
// none if an answer of TLS or WebSocket is waiting.
func (y *layers) seal(dst, packets []byte) ([]byte, error) {
	if y.ws == nil {
		return y.encrypt(dst, packets)
	}
	if y.tls == nil {
		return y.ws.append(dst, packets), nil
	}
	y.mid = y.ws.append(y.mid[:0], packets)
	return y.encrypt(dst, y.mid)
}

func (y *layers) encrypt(dst, b []byte) ([]byte, error) {
	switch {
	case y.tls == nil:
		return append(dst, b...), nil
	case len(b) == 0:
		return y.tls.Pending(dst), nil
	}
	return y.tls.Seal(dst, b)
}

// open appends to dst the bytes of Control Packets in raw, as it came from the
// socket. It overwrites raw. answer reports whether seal has something to send.
// With an error, which is the end, there may be packets that came before it.
func (y *layers) open(dst, raw []byte) (packets []byte, answer bool, err error) {
	if y.ws == nil {
		dst, err = y.decrypt(dst, raw)
		return dst, false, err
	}
	if y.tls != nil {
		var ended error
		y.mid, ended = y.decrypt(y.mid[:0], raw)
		if packets, answer, err = y.ws.read(dst, y.mid); err == nil {
			err = ended
		}
		return packets, answer, err
	}
	return y.ws.read(dst, raw)
}

func (y *layers) decrypt(dst, raw []byte) ([]byte, error) {
	if y.tls == nil {
		return append(dst, raw...), nil
	}
	return y.tls.Open(dst, raw)
}
