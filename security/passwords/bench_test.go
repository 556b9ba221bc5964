package passwords

import (
	"context"
	"fmt"
	"testing"

	"github.com/weirmq/weir/security"
)

func BenchmarkAuthenticate(b *testing.B) {
	for _, iterations := range []int{100_000, DefaultIterations} {
		for _, verified := range []bool{true, false} {
			b.Run(fmt.Sprintf("iterations=%d/verified=%v", iterations, verified), func(b *testing.B) {
				h := must[Hash](b)(NewHash([]byte("p"), iterations))
				a := authenticator(b, must[[]byte](b)(Put("users", nil, "u", h, nil)))
				c := &security.Credentials{HasUserName: true, UserName: "u", Password: []byte("p")}
				if _, err := a.Authenticate(context.Background(), c); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if !verified {
						a.users["u"].verified.Store(nil)
					}
					if _, err := a.Authenticate(context.Background(), c); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
