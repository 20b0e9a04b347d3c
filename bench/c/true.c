/* The command that every tool runs: it ends at once, with status 0. */
int main(void) { return 0; }
