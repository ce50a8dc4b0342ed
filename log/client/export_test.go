package client

// Kill ends a consumer as a killed process does: nothing is committed and nobody is told.
func (c *Consumer) Kill() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.kill()
	c.fetches.Wait()
}

// What intents write and read.
var (
	FormatRuns = formatRuns
	ParseRuns  = parseRuns
)
