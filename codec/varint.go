package codec

// maxVariableByteInteger is the largest value four bytes of seven bits hold.
const maxVariableByteInteger = 268_435_455

// readVariableByteInteger reads the Variable Byte Integer (section 1.5.5) at
// the start of buf and its length n. n is 0, with no error, if buf ends before
// the integer does. The encoding may be longer than need be.
func readVariableByteInteger(buf []byte) (value, n int, err error) {
	for n < len(buf) {
		b := buf[n]
		value |= int(b&0x7F) << (7 * n)
		n++
		if b < 0x80 {
			return value, n, nil
		}
		if n == 4 {
			return 0, 0, errVariableByteInteger
		}
	}
	return 0, 0, nil
}

// variableByteIntegerSize returns the bytes that the shortest encoding of
// value takes.
func variableByteIntegerSize(value int) int {
	switch {
	case value < 1<<7:
		return 1
	case value < 1<<14:
		return 2
	case value < 1<<21:
		return 3
	}
	return 4
}

// appendVariableByteInteger appends the shortest encoding of value
// [MQTT-1.5.5-1].
func appendVariableByteInteger(dst []byte, value int) []byte {
	if value < 0x80 {
		return append(dst, byte(value))
	}
	return appendLongVariableByteInteger(dst, value)
}

// appendLongVariableByteInteger is the part of appendVariableByteInteger that
// would keep it from being inlined.
func appendLongVariableByteInteger(dst []byte, value int) []byte {
	if value > maxVariableByteInteger {
		panic("codec: value exceeds the largest Variable Byte Integer")
	}
	for value >= 0x80 {
		dst = append(dst, byte(value)|0x80)
		value >>= 7
	}
	return append(dst, byte(value))
}
