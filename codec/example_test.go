package codec_test

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/codec"
)

func ExampleReadFrame() {
	var stream []byte
	stream = codec.AppendPublish(stream, codec.V5, &codec.Publish{TopicName: []byte("a/b"), Payload: []byte("21")})
	stream = codec.AppendPingreq(stream)
	stream = append(stream, 0x30, 9, 0) // a PUBLISH that is still to come

	var publish codec.Publish
	for {
		f, size, err := codec.ReadFrame(stream, 1<<20)
		if err == nil && (size == 0 || size > len(stream)) {
			fmt.Println("wait for more")
			break
		}
		if err == nil && f.Type == codec.TypePublish {
			err = codec.DecodePublish(&publish, codec.V5, f.Flags, f.Body)
		}
		if err != nil {
			fmt.Println("close:", err)
			break
		}
		fmt.Println(f.Type, size)
		stream = stream[size:]
	}
	// Output:
	// PUBLISH 10
	// PINGREQ 2
	// wait for more
}

func ExampleError() {
	var p codec.Publish
	err := codec.DecodePublish(&p, codec.V5, 0, []byte("\x00\x03a/#\x00"))
	var e *codec.Error
	if errors.As(err, &e) {
		fmt.Printf("%#02x %s, see [%s]\n", byte(e.Code), e.Detail, e.Clause)
	}
	// Output: 0x81 Topic Name contains a wildcard character, see [MQTT-3.3.2-2]
}

func ExampleProperties() {
	connack := codec.Connack{SessionPresent: true}
	connack.Properties.SetReceiveMaximum(20)
	connack.Properties.AddUserProperty("region", "north")
	fmt.Printf("% x\n", codec.AppendConnack(nil, codec.V5, &connack))
	// Output: 20 16 01 00 13 21 00 14 26 00 06 72 65 67 69 6f 6e 00 05 6e 6f 72 74 68
}
