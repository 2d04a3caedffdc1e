//go:build !linux

package main

func main() { println("firsthour knows Linux alone") }
