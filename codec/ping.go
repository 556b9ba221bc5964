package codec

// DecodePing checks the body of a PINGREQ or PINGRESP packet, which is empty.
func DecodePing(body []byte) error {
	if len(body) > 0 {
		return errTrailingBytes
	}
	return nil
}

// AppendPingreq appends a PINGREQ packet, as a Client does.
func AppendPingreq(dst []byte) []byte { return append(dst, byte(TypePingreq)<<4, 0) }

// AppendPingresp appends a PINGRESP packet [MQTT-3.12.4-1].
func AppendPingresp(dst []byte) []byte { return append(dst, byte(TypePingresp)<<4, 0) }
