package names

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// outsideHolds is for how long it is remembered whether the host's resolvers know the outside.
const outsideHolds = 30 * time.Second

// outside finds out whether a failure to find a name means that there is none.
type outside struct {
	mu    sync.Mutex
	known bool
	at    time.Time
}

// isKnown asks for the servers of the root, which resolvers of an isolated network do not know, or say of themselves.
func (o *outside) isKnown(ctx context.Context, upstream Upstream) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) < outsideHolds {
		return o.known
	}
	answer, err := upstream.Ask(ctx, new(dns.Msg).SetQuestion(".", dns.TypeNS))
	if ctx.Err() != nil {
		return o.known
	}
	o.known, o.at = err == nil && namesRootServers(answer), time.Now()
	return o.known
}

func namesRootServers(answer *dns.Msg) bool {
	for _, one := range answer.Answer {
		if server, ok := one.(*dns.NS); ok && strings.HasSuffix(strings.ToLower(server.Ns), ".root-servers.net.") {
			return true
		}
	}
	return false
}
