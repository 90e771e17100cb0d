package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"
)

// order is what one line asks for.
type order struct {
	Op           string `json:"op"`
	To           string `json:"to"`
	Streams      int    `json:"streams"`
	Milliseconds int    `json:"milliseconds"`
	Count        int    `json:"count"`
}

// result answers an order on one line; what does not concern the order is 0.
type result struct {
	Error     string  `json:"error,omitempty"`
	Bytes     uint64  `json:"bytes"`
	Broken    int     `json:"broken"` // streams that ended before their time
	Seconds   float64 `json:"seconds"`
	P50Micros float64 `json:"p50Micros"`
	P99Micros float64 `json:"p99Micros"`
}

const dialLimit = 20 * time.Second

// takeOrders says "ready", then answers each line of JSON with one until the input ends.
func takeOrders(input io.Reader, output io.Writer) error {
	if _, err := fmt.Fprintln(output, "ready"); err != nil {
		return err
	}
	t := &taker{}
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		var o order
		var r result
		err := json.Unmarshal(lines.Bytes(), &o)
		if err == nil {
			r, err = t.carryOut(o)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := json.NewEncoder(output).Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

// taker keeps the connections that an order left open.
type taker struct{ open []net.Conn }

func (t *taker) carryOut(o order) (result, error) {
	limit := time.Duration(o.Milliseconds) * time.Millisecond
	switch o.Op {
	case "send":
		return together(o.Streams, func() (uint64, error) { return send(o.To, limit) })
	case "receive":
		return together(o.Streams, func() (uint64, error) { return receive(o.To, limit) })
	case "ask":
		return ask(o.To, o.Count)
	case "connect":
		share := func() (uint64, error) { return 0, connect(o.To, o.Count/o.Streams) }
		return together(o.Streams, share)
	case "open":
		for len(t.open) < o.Count {
			connection, err := dial(o.To, doEcho)
			if err != nil {
				return result{}, fmt.Errorf("connection %d: %w", len(t.open), err)
			}
			t.open = append(t.open, connection)
			if err := exchange(connection, make([]byte, 64)); err != nil {
				return result{}, fmt.Errorf("connection %d: %w", len(t.open)-1, err)
			}
		}
		return result{}, nil
	case "close":
		for _, connection := range t.open {
			_ = connection.Close() // gone is what it is to be
		}
		t.open = nil
		return result{}, nil
	}
	return result{}, fmt.Errorf("unknown order %q", o.Op)
}
