// ProcessPrng as Windows 8 and later export it from bcryptprimitives.dll. Go's
// runtime asks for it at the start, and wine 8 lacks it. For tests alone.
__declspec(dllexport) int ProcessPrng(unsigned char *out, unsigned long long bytes) {
  while (bytes--) {
    unsigned long long value;
    unsigned char ready;
    do {
      __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=q"(ready));
    } while (!ready);
    *out++ = (unsigned char)value;
  }
  return 1;
}
