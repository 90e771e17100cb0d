package control

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

type metricsResult struct {
	Load      [3]float64    `json:"load"`
	CPU       cpuMetrics    `json:"cpu"`
	Memory    memoryMetrics `json:"memory"`
	Disk      diskMetrics   `json:"disk"`
	Network   []nicMetrics  `json:"network"`
	Processes int           `json:"processes"`
}

type cpuMetrics struct {
	Count         int    `json:"count"`
	UserJiffies   uint64 `json:"userJiffies"`
	SystemJiffies uint64 `json:"systemJiffies"`
	IdleJiffies   uint64 `json:"idleJiffies"`
	IowaitJiffies uint64 `json:"iowaitJiffies"`
}

type memoryMetrics struct {
	TotalBytes     uint64 `json:"totalBytes"`
	AvailableBytes uint64 `json:"availableBytes"`
	CachedBytes    uint64 `json:"cachedBytes"`
	SwapTotalBytes uint64 `json:"swapTotalBytes"`
	SwapFreeBytes  uint64 `json:"swapFreeBytes"`
}

type diskMetrics struct {
	TotalBytes     uint64 `json:"totalBytes"`
	UsedBytes      uint64 `json:"usedBytes"`
	AvailableBytes uint64 `json:"availableBytes"`
}

type nicMetrics struct {
	Name    string `json:"name"`
	RxBytes uint64 `json:"rxBytes"`
	TxBytes uint64 `json:"txBytes"`
}

func (m *Machine) metrics(json.RawMessage) (reply, error) {
	result := metricsResult{
		Load:      parseLoad(readProc("loadavg")),
		CPU:       parseStat(readProc("stat")),
		Memory:    parseMeminfo(readProc("meminfo")),
		Network:   parseNetDev(readProc("net/dev")),
		Processes: countProcesses(),
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return reply{}, err
	}
	block := uint64(fs.Bsize)
	result.Disk = diskMetrics{
		TotalBytes: fs.Blocks * block, UsedBytes: (fs.Blocks - fs.Bfree) * block, AvailableBytes: fs.Bavail * block,
	}
	return reply{result: result}, nil
}

func readProc(name string) string {
	data, err := os.ReadFile("/proc/" + name)
	if err != nil {
		return "" // zeros are reported
	}
	return string(data)
}

func parseLoad(text string) (load [3]float64) {
	fields := strings.Fields(text)
	for i := 0; i < len(load) && i < len(fields); i++ {
		load[i], _ = strconv.ParseFloat(fields[i], 64) // zero when unreadable
	}
	return load
}

func parseStat(text string) (cpu cpuMetrics) {
	for line := range strings.SplitSeq(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			cpu.Count++
			continue
		}
		cpu.UserJiffies = number(fields[1]) + number(fields[2])
		cpu.SystemJiffies = number(fields[3])
		cpu.IdleJiffies = number(fields[4])
		cpu.IowaitJiffies = number(fields[5])
	}
	return cpu
}

func parseMeminfo(text string) (memory memoryMetrics) {
	targets := map[string]*uint64{
		"MemTotal": &memory.TotalBytes, "MemAvailable": &memory.AvailableBytes, "Cached": &memory.CachedBytes,
		"SwapTotal": &memory.SwapTotalBytes, "SwapFree": &memory.SwapFreeBytes,
	}
	for line := range strings.SplitSeq(text, "\n") {
		name, value, _ := strings.Cut(line, ":")
		if target := targets[name]; target != nil {
			*target = number(strings.TrimSuffix(strings.TrimSpace(value), " kB")) * 1024
		}
	}
	return memory
}

func parseNetDev(text string) []nicMetrics {
	nics := []nicMetrics{}
	for line := range strings.SplitSeq(text, "\n") {
		name, counters, ok := strings.Cut(line, ":")
		fields := strings.Fields(counters)
		name = strings.TrimSpace(name)
		if ok && len(fields) >= 9 && name != "lo" {
			nics = append(nics, nicMetrics{Name: name, RxBytes: number(fields[0]), TxBytes: number(fields[8])})
		}
	}
	return nics
}

func countProcesses() int {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer dir.Close() //nolint:errcheck // read-only
	names, _ := dir.Readdirnames(-1)
	count := 0
	for _, name := range names {
		if name[0] >= '1' && name[0] <= '9' {
			count++
		}
	}
	return count
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64) // zero when unreadable
	return n
}
