// Package intercept puts secrets in place of their placeholders in requests over TLS to the hosts they are for.
package intercept
