"""What all computation rests on: precision, compiled programs, random numbers, devices."""
