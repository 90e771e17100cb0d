// Package version holds the release this binary belongs to.
package version

// Agent is what the control method "ready" reports.
const Agent = "0.1.0"
