/*
 * Runs each command of a list in turn, again and again, and writes for each run
 * what it cost. In C, because the kernel counts the memory of a process from its
 * fork on: what starts the commands has to be smaller than they are.
 *
 *	rounds COUNT <LIST
 *
 * A line of LIST is a name and a command with its arguments, separated by
 * blanks. A line of the output: round, name, wall time (ns), CPU time (us),
 * page faults, peak memory (KB), separated by tabs. A command that fails ends it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MAX_COMMANDS = 64, MAX_WORDS = 32, WARM_UP = 10 };

struct command {
	const char *name;
	char *argv[MAX_WORDS];
};

static long long now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long micros(struct timeval t) {
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static int read_commands(struct command *commands) {
	char *line = NULL;
	size_t size = 0;
	int n = 0;

	for (; getline(&line, &size, stdin) > 0; line = NULL) {
		struct command *c = &commands[n];
		int words = 0;

		c->name = strtok(line, " \t\n");
		if (!c->name)
			continue;
		while ((c->argv[words] = strtok(NULL, " \t\n")))
			if (++words == MAX_WORDS)
				errx(2, "%s: more than %d words", c->name, MAX_WORDS - 1);
		if (!words)
			errx(2, "%s: no command", c->name);
		if (++n == MAX_COMMANDS)
			errx(2, "more than %d commands", MAX_COMMANDS - 1);
	}
	return n;
}

static void run(long round, const struct command *c) {
	struct rusage used;
	int status, error;
	pid_t pid;

	long long start = now();
	if ((error = posix_spawn(&pid, c->argv[0], NULL, NULL, c->argv, environ)))
		errx(1, "%s: cannot run %s: %s", c->name, c->argv[0], strerror(error));
	if (wait4(pid, &status, 0, &used) < 0)
		err(1, "%s: wait", c->name);
	long long end = now();

	if (status)
		errx(1, "%s: %s failed (wait status %#x)", c->name, c->argv[0], status);
	if (round >= 0)
		printf("%ld\t%s\t%lld\t%lld\t%ld\t%ld\n", round, c->name, end - start,
		       micros(used.ru_utime) + micros(used.ru_stime), used.ru_minflt + used.ru_majflt, used.ru_maxrss);
}

int main(int argc, char **argv) {
	static struct command commands[MAX_COMMANDS];
	long rounds = argc == 2 ? atol(argv[1]) : 0;

	if (rounds < 1)
		errx(2, "usage: rounds COUNT <LIST");
	int n = read_commands(commands);
	/* The first rounds fill the page cache; they are not counted. */
	for (long round = -WARM_UP; round < rounds; round++)
		for (int i = 0; i < n; i++)
			run(round, &commands[i]);
	if (fflush(stdout))
		err(1, "write");
	return 0;
}
