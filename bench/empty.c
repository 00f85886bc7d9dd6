/* The program that does nothing: what starting an engine costs. */
int main(void) { return 0; }
