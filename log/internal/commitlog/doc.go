// Package commitlog keeps one partition on disk.
package commitlog
