// Package page drives the page of a built mil serve in Chromium. Where a reply must have a
// given text, a proxy before the server answers in the model's place.
package page
