package codec

import (
	"bytes"
	"testing"
)

// FuzzDecode feeds any bytes to the decoders. What decodes must survive being
// encoded and decoded again, and what does not must yield a proper Error.
func FuzzDecode(f *testing.F) {
	for _, cases := range readCorpus(f) {
		for _, c := range cases {
			f.Add(byte(c.version), c.fromServer, c.packet)
		}
	}
	f.Fuzz(func(t *testing.T, version byte, fromServer bool, data []byte) {
		v := V31 + Version(version)%3
		frame, size, err := ReadFrame(data, 1<<20)
		if err != nil {
			checkError(t, err)
			return
		}
		if size == 0 || size > len(data) {
			if frame.Body != nil {
				t.Fatal("a body before the packet is complete")
			}
			return
		}
		p, err := decodeAny(v, fromServer, frame)
		if err != nil {
			checkError(t, err)
			return
		}
		if c, ok := p.(*Connect); ok {
			v = c.Version
		}

		again := appendAny(nil, v, frame.Type, p)
		frame2, size2, err := ReadFrame(again, 0)
		if err != nil || size2 != len(again) {
			t.Fatalf("%s is encoded as % x: size %d, %v", dump(frame.Type, p), again, size2, err)
		}
		q, err := decodeAny(v, fromServer, frame2)
		if err != nil {
			t.Fatalf("%s is encoded as % x: %v", dump(frame.Type, p), again, err)
		}
		if first, second := dump(frame.Type, p), dump(frame.Type, q); first != second {
			t.Fatalf("decoded %s\nagain   %s", first, second)
		}
		if third := appendAny(nil, v, frame.Type, q); !bytes.Equal(again, third) {
			t.Fatalf("encoded % x\nagain   % x", again, third)
		}
		if publish, ok := p.(*Publish); ok {
			publish.Forward = publish.ForwardProperties(nil)
			if n := PublishSize(v, publish); n != len(again) {
				t.Fatalf("PublishSize is %d for %d bytes", n, len(again))
			}
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok || !e.Code.IsError() || e.Clause == "" || e.Detail == "" {
		t.Fatalf("not a proper Error: %#v", err)
	}
}
