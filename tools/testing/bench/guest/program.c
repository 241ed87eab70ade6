// SPDX-License-Identifier: GPL-2.0
/* The small program that is executed: static, and does nothing. */
int main(void)
{
	return 0;
}
