from .main import main

if __name__ == "__main__":  # processes that --jobs starts import this file again
    main()
