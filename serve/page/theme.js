// Runs before the page is drawn, so that the chosen theme never flashes.
'use strict';
{
  const chosen = localStorage.getItem('mil-theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
}
