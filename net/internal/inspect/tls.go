package inspect

import (
	"net/netip"

	"ember.dev/net/internal/policy"
)

const reasonECH = "it may hide another name (ECH)"

// serveTLS decides by the name in the ClientHello; without one, by the names that the address was answered for.
func (c *connection) serveTLS() {
	var reader helloReader
	said, err := c.readHello(&reader)
	if err != nil && !c.deciding {
		c.serveOther(0)
		return
	}
	if err != nil {
		c.refuse(policy.Decision{Verdict: policy.Allow}, policy.Address, err.Error())
		return
	}
	decision, by := c.decide(policy.SNI, said.name)
	wanted := by == policy.SNI && c.vm.Intercept != nil && c.vm.Intercept.Wants(decision.Name)
	switch {
	case decision.Verdict != policy.Allow:
		c.refuse(decision, by, "")
	case wanted:
		c.intercept(decision)
	case !c.deciding:
		c.serveOther(0)
	case said.encrypted:
		c.refuse(decision, by, reasonECH)
	case c.connect(decision, by):
		c.passTLS(said, reader.at)
	}
}

// decide by a name that the client said. The destination's own address, or "", is no name: then the answers decide.
func (c *connection) decide(how policy.How, name string) (policy.Decision, policy.How) {
	if address, err := netip.ParseAddr(name); name == "" || err == nil && address == c.destination.Addr().Unmap() {
		return c.byAnswer(), policy.Answer
	}
	return c.vm.Engine.AdmitName(how, name, c.destination), how
}

// readHello goes on reading until the ClientHello is whole. It stays held.
func (c *connection) readHello(reader *helloReader) (hello, error) {
	c.guest.within(headLimit)
	for {
		said, whole, err := reader.read(c.guest.held)
		if whole || err != nil {
			return said, err
		}
		if err := c.guest.more(maxHelloBytes); err != nil {
			return hello{}, err
		}
	}
}

func (c *connection) intercept(decision policy.Decision) {
	if !c.admit(decision, policy.SNI) {
		return
	}
	c.guest.within(0)
	// What failed is between the guest, the interceptor and the server; the guest has been told in TLS.
	_ = c.vm.Intercept.Serve(c.ctx, c.guest, decision.Name, c.dialForInterceptor(decision.Name))
}

// passTLS passes the ClientHello on, which has so many bytes, and then all else.
func (c *connection) passTLS(said hello, length int) {
	c.guest.within(0)
	if err := c.guest.take(c.server, length); err != nil {
		c.lastWords(err)
		return
	}
	if err := c.passSecondHello(said); err != nil {
		c.refuse(policy.Decision{Verdict: policy.Allow, Name: said.name}, policy.SNI, err.Error())
		return
	}
	c.relay()
}

// passSecondHello: a server may ask for another ClientHello, which may not name another host. What follows then is
// encrypted, or not a ClientHello. An end of the guest's bytes is left for others to see.
func (c *connection) passSecondHello(first hello) error {
	for c.startsWith(recordChange) && c.fill(recordHeader) {
		const length = recordHeader + 1
		if c.guest.held[3] != 0 || c.guest.held[4] != 1 {
			return errHello
		}
		if !c.fill(length) || c.guest.take(c.server, length) != nil {
			return nil // it shows again
		}
	}
	if !c.startsWith(recordHandshake) || !c.fill(recordHeader+1) || c.guest.held[recordHeader] != clientHello {
		return nil
	}
	var reader helloReader
	second, err := c.readHello(&reader)
	if err == nil && second != first {
		return errHello
	}
	return err
}

func (c *connection) startsWith(record byte) bool { return c.fill(1) && c.guest.held[0] == record }

// fill holds at least n bytes; false when there are no more.
func (c *connection) fill(n int) bool {
	for len(c.guest.held) < n {
		if c.guest.more(n) != nil {
			return false
		}
	}
	return true
}
