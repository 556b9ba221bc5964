//go:build linux

package bench_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/security/serviceaccount"
)

// beCrowd is many Clients that connect to an address when told to come, and
// counts them.
func beCrowd(argument []byte) (func(string) (any, error), error) {
	c := new(clients)
	err := json.Unmarshal(argument, &c.address)
	return func(line string) (any, error) {
		if line == "come" {
			for i := range crowdSize {
				go c.stay(i)
			}
		}
		return attendance{c.connected.Load(), c.answers.Load()}, nil
	}, err
}

// attendance is how many of a crowd are connected, and how many answers it has
// had to a CONNECT.
type attendance struct{ Connected, Answers int64 }

// clients is the Clients of a crowd.
type clients struct {
	address            string
	connected, answers atomic.Int64
}

// stay connects one of them, again and again.
func (c *clients) stay(i int) {
	for {
		_ = c.connect(i)       // for which there is a count
		time.Sleep(retryAfter) // as devices do that were refused
	}
}

var errRefused = errors.New("refused")

// connect connects one of them, and stays for good.
func (c *clients) connect(i int) error {
	nc, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	defer nc.Close()
	packet := codec.Connect{Version: codec.V5, ClientID: fmt.Append(nil, "crowd", i), CleanStart: true}
	packet.Properties.SetAuthenticationMethod([]byte(serviceaccount.AuthenticationMethod))
	packet.Properties.SetAuthenticationData([]byte(tokenOf(i)))
	if _, err := nc.Write(codec.AppendConnect(nil, &packet)); err != nil {
		return err
	}
	answer := make([]byte, 256)
	n, err := io.ReadAtLeast(nc, answer, 4)
	if err != nil {
		return err
	}
	c.answers.Add(1)
	if f, size, err := codec.ReadFrame(answer[:n], 0); err != nil || size == 0 || f.Type != codec.TypeConnack || f.Body[1] != 0 {
		return errRefused
	}
	c.connected.Add(1)
	defer c.connected.Add(-1)
	_, err = io.Copy(io.Discard, nc)
	return err
}

// tokenOf returns a token of its own for each Client. Nobody here looks at the
// signature.
func tokenOf(i int) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"exp":%d,"jti":"%d"}`, time.Now().Add(time.Hour).Unix(), i)
	return encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}
